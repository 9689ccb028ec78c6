"""From outputs of networks to stable step sizes and momenta."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.exchange import Exchange
from gnn_l2o.nn.coefficients import Coefficients
from gnn_l2o.nn.facts import GraphFacts
from gnn_l2o.nn.lstm import logit
from gnn_l2o.nn.stability import StabilityBounds, curvature_limit, max_step_size_with

SHARE = 0.8
"""Share of the maximal stable step size that is emitted at most, without momentum. From 0.85 on, constant coefficients
diverged on some graphs of most families."""
SHARES_WITH_MOMENTUM = (0.9, 1.2)
"""The same with momentum, at a self-weight ratio of 0 and of 1: stars tolerate 1.0, complete graphs 1.5."""
CURVATURE_SHARE = 0.95
"""Share of the step size that the secant curvature allows, with momentum."""
SHARES_WITH_CHEBYSHEV = (0.75, 0.6)
"""Shares of the maximal stable step size and of what the secant curvature allows, with a Chebyshev step-size schedule.
Most families tolerate 0.8; an estimate of the curvature that is too low harms a schedule most."""

MAX_MOMENTUM = 0.97
"""The largest momentum of the accelerated rule; step sizes and mixing weights stay within the bounds for it."""


@dataclass(frozen=True)
class StepSizeLimits:
    """The range of a node's step size.

    Attributes:
        own: the largest step size of the node itself, ``(N, 1)``.
        common: the smallest of these in its graph, ``(N, 1)``.
    """

    own: Tensor
    common: Tensor


def max_share(accelerated: bool) -> float:
    """Return the largest multiple of the maximal stable step size that is emitted."""
    return SHARES_WITH_MOMENTUM[1] if accelerated else SHARE


def limits_with_momentum(facts: GraphFacts, bounds: StabilityBounds, exchange: Exchange) -> StepSizeLimits:
    r"""Return the limits of the accelerated rule, which are constant: own :math:`(0.9 + 0.3 r_i^2) c_i`.

    With momentum :math:`c_i` depends less on the mixing weights than without, and is taken at the largest ones;
    :math:`r_i` is the :attr:`.GraphFacts.self_weight_ratio`. The minimum over the graph is found once.
    """
    low, high = SHARES_WITH_MOMENTUM
    own = (low + (high - low) * facts.self_weight_ratio.square()) * bounds.max_step_size
    return StepSizeLimits(own, exchange.graph_min(own, setup=True))


def limits_without_momentum(bounds: StabilityBounds, last: Coefficients | None, exchange: Exchange) -> StepSizeLimits:
    """Return the limits of the rule without momentum: 0.8 c_i, 0.75 c_i with a Chebyshev schedule.

    c_i follows the mixing weights of the last step, so that every recomputation takes a minimum over the graph.
    """
    share = SHARE if bounds.max_step_factor == 1 else SHARES_WITH_CHEBYSHEV[0]
    largest = bounds.max_step_size if last is None else max_step_size_with(bounds, last.mixing_weight, exchange)
    own = share * largest
    return StepSizeLimits(own, exchange.graph_min(own))


def bounded_step_size(
    output: Tensor, own: Tensor, limits: StepSizeLimits, max_curvature: Tensor, bounds: StabilityBounds
) -> Tensor:
    r"""Return the scale-free :math:`p_i`, between the node's own limit and the one common to its graph.

    .. math::
        p_i = \min\Bigl(b_i^{\theta_i} \bigl(\min_j b_j\bigr)^{1 - \theta_i}, \frac{M' k}{\hat\lambda_i}\Bigr)
        \, \mathrm{sigmoid}(o), \qquad \theta_i = \mathrm{sigmoid}(o')

    Where the losses of the nodes are alike, their average moves best along the average gradient, which needs equal step
    sizes: unequal ones weight the gradients wrongly until the dual variables have corrected it. Where the losses
    differ, the largest step size of each node is better.

    Args:
        output: o, ``(N, d)`` or ``(N, 1)``.
        own: o', so too.
        limits: :math:`b_i` and its minimum over the graph.
        max_curvature: :math:`\hat\lambda_i`, the largest secant curvature so far, ``(N, 1)``.
        bounds: of the run.
    """
    bound = limits.common * (limits.own / limits.common) ** torch.sigmoid(own)
    return torch.minimum(bound, step_size_for(max_curvature, bounds)) * torch.sigmoid(output)


def step_size_for(curvature: Tensor, bounds: StabilityBounds) -> Tensor:
    r"""Return :math:`M' k / \hat\lambda_i`, the largest step size at a secant curvature, ``(N, 1)``.

    k is the :func:`.curvature_limit`; :math:`M'` is 0.8, with a Chebyshev schedule 0.6, with momentum 0.95.
    """
    if bounds.momentum:
        share = CURVATURE_SHARE
    else:
        share = SHARE if bounds.max_step_factor == 1 else SHARES_WITH_CHEBYSHEV[1]
    limit = share * curvature_limit(bounds.momentum)
    return limit / curvature.clamp(min=torch.finfo(curvature.dtype).tiny)


def proposed_momentum(output: Tensor) -> Tensor:
    r"""Return :math:`1 - 0.03^{\mathrm{sigmoid}(o)}`, between 0 and 0.97, logarithmic in its distance from 1."""
    return 1 - (1 - MAX_MOMENTUM) ** torch.sigmoid(output)


def momentum_logit(momentum: float) -> float:
    """Return o with ``proposed_momentum(o) = momentum``.

    Raises:
        InputError: ``momentum`` is not between 0 and 0.97.
    """
    if not 0 < momentum < MAX_MOMENTUM:
        raise InputError(f"momentum lies between 0 and {MAX_MOMENTUM:g}, got {momentum:g}")
    return logit("momentum", math.log(1 - momentum) / math.log(1 - MAX_MOMENTUM))
