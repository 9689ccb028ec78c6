r"""Bounds within which MiLoDo's rule is stable, as functions of the graph's spectrum and of the other coefficients.

Notation: A in [0, 1) is the largest momentum that a run uses; :math:`\lambda_N` the smallest eigenvalue of the mixing
matrix W; :math:`\rho` the factor by which a step multiplies an error. With momentum a, an error obeys
:math:`\epsilon^{+} = \rho ((1 + a) \epsilon - a \epsilon^{-})`, which is stable while
:math:`-1 / (1 + 2 a) < \rho < 1`.

:func:`stability_bounds` computes once a run what does not depend on the step sizes taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gnn_l2o.graph.communication import Ends
from gnn_l2o.graph.exchange import Exchange
from gnn_l2o.nn.coefficients import Coefficients
from gnn_l2o.nn.facts import GraphFacts

DUAL_SAFETY_FACTOR = 2.0
"""Safety factor on the dual step size when bounding the momentum. With 1.25, training diverged on an irregular
eight-node graph with few samples."""
MIXING_SAFETY_FACTOR = 0.9
"""Safety factor on the mixing weights, which leaves room for a dual step size."""
MIN_DUAL_SHARE = 0.2
"""Share of the dual step size that allows the largest momentum, down to which dual step sizes may go."""
CHEBYSHEV_MARGIN = 0.5
"""Oscillation margin of the mixing weights where a Chebyshev schedule varies the step sizes: that of A = 1/2."""


@dataclass(frozen=True)
class StabilityBounds:
    """The bounds that are constant during a run, and what the others are computed from.

    Attributes:
        momentum: A.
        max_step_factor: the largest factor of the Chebyshev step-size schedule; 1 without one.
        smoothness: L_i, ``(N, 1)``.
        spectral_gap: of the node's graph, ``(N, 1)``.
        spread: :math:`1 - \\lambda_N` of the node's graph, ``(N, 1)``.
        effective_self_weight: :func:`effective_self_weight` at the largest mixing weights, ``(N, 1)``.
        max_step_size: :func:`max_step_size` there, ``(N, 1)``.
        weight: w_ij, ``(R, 1)``.
        edge_spread: ``spread`` at the edges, ``(R, 1)``.
        max_mixing_weight: q w_ij with q of :func:`max_mixing_weight`, ``(R, 1)``.
        min_dual_share: :func:`min_dual_share` at the edges, ``(R, 1)``.
    """

    momentum: float
    max_step_factor: float
    smoothness: Tensor
    spectral_gap: Tensor
    spread: Tensor
    effective_self_weight: Tensor
    max_step_size: Tensor
    weight: Tensor
    edge_spread: Tensor
    max_mixing_weight: Tensor
    min_dual_share: Tensor


def stability_bounds(
    facts: GraphFacts, exchange: Exchange, *, momentum: float = 0.0, max_step_factor: float = 1.0
) -> StabilityBounds:
    """Return the bounds that hold throughout a run.

    Args:
        facts: set-up knowledge; ``prox_shrinkage`` and ``self_weight_ratio`` are not used.
        exchange: of the graph; nothing is sent.
        momentum: A.
        max_step_factor: the largest factor of the Chebyshev step-size schedule.
    """
    share = max_mixing_weight(facts.min_eigenvalue, momentum, varying_steps=max_step_factor != 1)
    degree = exchange.reduce(torch.ones_like(facts.weight), "sum", empty=0.0)
    own = effective_self_weight(facts.self_weight, share, degree)
    spread = 1 - facts.min_eigenvalue
    return StabilityBounds(
        momentum=momentum,
        max_step_factor=max_step_factor,
        smoothness=facts.smoothness,
        spectral_gap=facts.spectral_gap,
        spread=spread,
        effective_self_weight=own,
        max_step_size=max_step_size(facts.smoothness, own, momentum),
        weight=facts.weight,
        edge_spread=exchange.at_edges(spread),
        max_mixing_weight=exchange.at_edges(share) * facts.weight,
        min_dual_share=exchange.at_edges(min_dual_share(share, facts.spectral_gap, spread, momentum)),
    )


def oscillation_margin(momentum: float) -> float:
    r"""Return :math:`1 / (1 + 2 A)`: a factor :math:`\rho` above minus this is stable with every momentum up to A."""
    return 1 / (1 + 2 * momentum)


def max_mixing_weight(min_eigenvalue: Tensor, momentum: float, *, varying_steps: bool = False) -> Tensor:
    r"""Return the share q of w_ij up to which p_ij2 is stable on graphs with negative eigenvalues, ``(N, 1)``.

    .. math:: q = \min\Bigl(1, \frac{0.9}{1 - \lambda_N} \Bigl(1 + \frac{1}{1 + 2 A}\Bigr)\Bigr)

    With :math:`p_{ij2} = q w_{ij}` a mode of I - W with eigenvalue :math:`\mu` is multiplied by
    :math:`\rho = 1 - q \mu`; 0.9 is :data:`MIXING_SAFETY_FACTOR`.

    Args:
        min_eigenvalue: :math:`\lambda_N`, ``(N, 1)``.
        momentum: A.
        varying_steps: whether a Chebyshev schedule varies the step sizes; then A counts as 1/2.
    """
    margin = CHEBYSHEV_MARGIN if varying_steps else oscillation_margin(momentum)
    return (MIXING_SAFETY_FACTOR * (1 + margin) / (1 - min_eigenvalue)).clamp(max=1)


def effective_self_weight(self_weight: Tensor, share: Tensor, degree: Tensor) -> Tensor:
    r"""Return :math:`\omega_i`, the weight of a node's own z in (24) or a number above its absolute value, ``(N, 1)``.

    .. math:: \omega_i = \max\Bigl(|1 - q + q w_{ii}|, \frac{1}{1 + \deg_i}\Bigr)

    Metropolis weights give a node no smaller self-weight than the second number. Others may: on a star, the fastest
    mixing weights of the hub are near zero or negative, and the step size that such a weight would allow
    (:func:`max_step_size`) is without bound or negative.

    Args:
        self_weight: :math:`w_{ii}`, ``(N, 1)``.
        share: q, with :math:`p_{ij2} = q w_{ij}`.
        degree: the number of the node's neighbours, ``(N, 1)``.
    """
    return torch.maximum((1 - share * (1 - self_weight)).abs(), 1 / (1 + degree))


def max_step_size(smoothness: Tensor, self_weight: Tensor, momentum: float) -> Tensor:
    r"""Return the maximal stable step size of a node whose neighbours stand still, ``(N, 1)``.

    .. math:: c_i = \frac{1}{L_i} \Bigl(1 + \frac{1}{(1 + 2 A) \, \omega_i}\Bigr)

    Suppose that only node i has a curvature, :math:`\lambda \le L_i`. A step multiplies its error by
    :math:`\rho = \omega_i (1 - p_i \lambda)`. A node without neighbours and without momentum has the bound
    :math:`2 / L` of gradient descent; the smaller its effective self-weight, the larger its step size may be. Where the
    curvatures of neighbours are alike the bound is too high, which the secant curvature shows
    (:func:`curvature_limit`).

    Args:
        smoothness: :math:`L_i`, ``(N, 1)``.
        self_weight: :math:`\omega_i`, the effective self-weight, ``(N, 1)``.
        momentum: A.
    """
    return (1 + oscillation_margin(momentum) / self_weight) / smoothness


def max_step_size_with(bounds: StabilityBounds, mixing_weight: Tensor, exchange: Exchange) -> Tensor:
    r"""Return :func:`max_step_size` at the mixing weights in use, which may be below the largest ones, ``(N, 1)``.

    The effective self-weight is :math:`1 - \sum_j p_{ij2}`, in the coordinate where that is largest.

    Args:
        bounds: of the run.
        mixing_weight: p_ij2, ``(R, 1)`` or ``(R, d)``.
        exchange: of the graph; nothing is sent.
    """
    given = exchange.reduce(mixing_weight, "sum", empty=0.0).amin(dim=1, keepdim=True)
    own = torch.maximum(1 - given, bounds.effective_self_weight)
    return max_step_size(bounds.smoothness, own, bounds.momentum)


def curvature_limit(momentum: float) -> float:
    r"""Return :math:`2 (1 + A) / (1 + 2 A)`: the bound of step size times secant curvature among equal nodes."""
    return 1 + oscillation_margin(momentum)


def self_weight_ratio(bounds: StabilityBounds, exchange: Exchange) -> Tensor:
    r"""Return the smallest of :math:`\min(\omega_i, \omega_j) / \max(\omega_i, \omega_j)` over its edges, ``(N, 1)``.

    :func:`max_step_size` takes the neighbours as fixed. It is sharp next to nodes with a very different effective
    self-weight :math:`\omega`; where all are equal there is room beyond it. Nodes tell each other their
    :math:`\omega` once.
    """
    (ends,) = exchange.neighbours(numbers=bounds.effective_self_weight, setup=True)
    ratio = torch.minimum(ends.own, ends.other) / torch.maximum(ends.own, ends.other)
    return exchange.reduce(ratio, "amin", empty=1.0)


def max_dual_step_size(bounds: StabilityBounds, step_size: Ends, mixing_weight: Tensor) -> Tensor:
    r"""Return the p_ij1 up to which the rule without momentum is stable where the loss is flat: ``(R, 1 or d)``.

    .. math:: P_{ij} = \frac{w_{ij}}{\max(p_i, p_j)} \frac{2 (1 + \rho)}{1 - \lambda_N}, \qquad
        \rho = \min\Bigl(0, 1 - \frac{p_{ij2}}{w_{ij}} (1 - \lambda_N)\Bigr).

    Where f has no curvature and the coefficients are those of W, :math:`p_{ij2} = u w_{ij}` and
    :math:`p_i p_{ij1} = e w_{ij}`, a mode of I - W with eigenvalue :math:`\mu` sees the matrix
    :math:`[[1 - u \mu, u \mu - 1], [e \mu, 1 - e \mu]]` act on :math:`(x, p y)`. By Jury's criterion it is stable
    while :math:`e \mu < 4 - 2 u \mu`, which with these bounds holds for every :math:`\mu \le 1 - \lambda_N`; with a
    curvature :math:`\lambda` while :math:`e \mu < 2 + 2 (1 - u \mu) (1 - p \lambda)`, so too while neither factor is
    negative. Exact diffusion has e = 1/2. :func:`max_momentum` says what momentum these coefficients allow.

    Args:
        bounds: of the run.
        step_size: p at both ends, ``(R, 1)`` or ``(R, d)``.
        mixing_weight: p_ij2, ``(R, 1)`` or ``(R, d)``.
    """
    factor = 1 + (1 - mixing_weight / bounds.weight * bounds.edge_spread).clamp(max=0)
    return _unit_dual_step_size(bounds, step_size) * 2 * factor / bounds.edge_spread


def min_dual_step_size(bounds: StabilityBounds, step_size: Ends) -> Tensor:
    r"""Return the smallest p_ij1 that is emitted, :func:`min_dual_share` times w_ij / max(p_i, p_j), ``(R, 1 or d)``.

    Args:
        bounds: of the run.
        step_size: as for :func:`max_dual_step_size`.
    """
    return bounds.min_dual_share * _unit_dual_step_size(bounds, step_size)


def min_dual_share(share: Tensor, spectral_gap: Tensor, spread: Tensor, momentum: float) -> Tensor:
    r"""Return a fifth of the dual step size that allows the momentum A, in units of w_ij / max(p_i, p_j), ``(N, 1)``.

    .. math::
        \frac15 \min\Bigl(1, \frac{q (1 - A \rho_+)}{A \rho_+}, \frac{2 (1 - (1 + 2 A) \rho)}{1 - \lambda_N}\Bigr),
        \qquad \rho_+ = 1 - q g, \quad \rho = \max(0, q (1 - \lambda_N) - 1)

    from the bounds of :func:`max_momentum`. The smaller the spectral gap, the smaller the dual step sizes must be;
    training may choose smaller ones than the bounds ask for, hence the fifth (:data:`MIN_DUAL_SHARE`).

    Args:
        share: q, ``(N, 1)``.
        spectral_gap: g, ``(N, 1)``.
        spread: :math:`1 - \lambda_N`, ``(N, 1)``.
        momentum: A.
    """
    factor = momentum * (1 - share * spectral_gap)
    slow = share * (1 - factor) / factor.clamp(min=1e-6)
    oscillation = (share * spread - 1).clamp(min=0)
    fast = 2 * (1 - (1 + 2 * momentum) * oscillation) / spread
    return MIN_DUAL_SHARE * torch.minimum(slow, fast).clamp(max=1)


def _unit_dual_step_size(bounds: StabilityBounds, step_size: Ends) -> Tensor:
    """Return w_ij / max(p_i, p_j), the p_ij1 with e = 1 at the largest of the step sizes that will be taken."""
    return bounds.weight / (bounds.max_step_factor * torch.maximum(step_size.own, step_size.other))


def max_momentum(bounds: StabilityBounds, coefficients: Coefficients, exchange: Exchange) -> Tensor:
    r"""Return the momentum up to which the other coefficients are stable where the loss is flat, ``(N, 1)`` or more.

    With :math:`p_{ij2} = q w_{ij}`, :math:`p_i p_{ij1} = e w_{ij}` and :math:`\rho = 1 - q \mu`, a mode of I - W with
    eigenvalue :math:`\mu` has the characteristic polynomial

    .. math:: z^3 - (\rho (1 + a) + 1 - e \mu) z^2 + \rho (1 + 2 a) z - \rho a

    which by Jury's criterion is stable, for the :math:`\mu` from the spectral gap g to :math:`1 - \lambda_N`, while

    .. math::
        a < \frac{q}{(q + e) \rho_+}, \quad \rho_+ = 1 - q g, \qquad \text{and, if }
        \rho_- = 1 - q (1 - \lambda_N) < 0, \qquad
        a < \frac{1}{2} \Bigl(\frac{1 - e (1 - \lambda_N) / 2}{-\rho_-} - 1\Bigr).

    Every node takes the worst e and q of its own edges, and e larger by :data:`DUAL_SAFETY_FACTOR`, since less is
    stable where nodes and their losses differ. So no node needs its neighbours' momentum: the edges' coefficients come
    first, and the momentum follows from them.

    Args:
        bounds: of the run.
        coefficients: p_i, p_ij1 and p_ij2.
        exchange: of the graph; nothing is sent.
    """
    dual, mixing = (p / bounds.weight for p in (coefficients.dual_step_size, coefficients.mixing_weight))
    e = DUAL_SAFETY_FACTOR * coefficients.preconditioner * exchange.reduce(dual, "amax", empty=0.0)
    smallest, largest = exchange.reduce(mixing, "amin", empty=1.0), exchange.reduce(mixing, "amax", empty=0.0)
    low = smallest / ((smallest + e) * (1 - smallest * bounds.spectral_gap).clamp(min=1e-6))
    oscillation = (largest * bounds.spread - 1).clamp(min=1e-6)
    high = 0.5 * ((1 - e * bounds.spread / 2) / oscillation - 1)
    return torch.minimum(low, high).clamp(min=0)
