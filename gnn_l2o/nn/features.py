"""Inputs of the preconditioners."""

import math

import torch
from torch import Tensor

from gnn_l2o.nn.rule import GraphFacts, MiLoDoState

_FLOOR = 1e-4  # values below it, in the node's own unit, all look like zero


def signed_log(value: Tensor, unit: Tensor) -> Tensor:
    r"""Return :math:`\operatorname{sign}(v) \log(1 + |v| / (\epsilon u)) / \log(1 + 1 / \epsilon)`, 1 where v = u.

    It keeps the order of magnitude of what shrinks over many decades during a run, as the inputs of learned optimizers
    must (Andrychowicz et al. 2016, appendix A).

    Args:
        value: v, ``(rows, d)``.
        unit: u > 0, what counts as large, ``(rows, 1)``.
    """
    return torch.sign(value) * torch.log1p(value.abs() / (_FLOOR * unit)) / math.log1p(1 / _FLOOR)


def in_units(value: Tensor, unit: Tensor) -> Tensor:
    """Return v / u: what the networks would see without logarithms.

    Args:
        value: v, ``(rows, d)``.
        unit: u > 0, ``(rows, 1)``.
    """
    return value / unit


def first_step_size(gradient: Tensor, smoothness: Tensor) -> Tensor:
    r"""Return the size of a node's first gradient step, :math:`\|\nabla f_i(x^0)\| / (\sqrt d L_i)`, ``(N, 1)``.

    The unit in which a node measures everything: multiplying x by a constant, or f by one, changes no feature.
    A node that starts at a minimum of its own loss has no such scale and takes 1.
    """
    size = gradient.square().mean(dim=1, keepdim=True).sqrt() / smoothness
    return torch.where(size > 0, size, torch.ones_like(size))


@torch.no_grad()
def secant_curvature(state: MiLoDoState, gradient: Tensor) -> Tensor:
    r"""Return :math:`\max(\langle s_i, u_i \rangle, 0) / \|s_i\|^2`, the curvature a node met on its last move.

    s is the move and u the change of the gradient on the way (the quotient is that of Barzilai, Borwein 1988). Where
    the neighbours' losses are steep in different directions, their common moves meet little of each one's greatest
    curvature; where they are alike they meet much of it. A measurement, not differentiated. 0 before the first move,
    and after one so short, below :math:`\sqrt\epsilon \|\hat x_i\|`, that rounding would be measured.

    Args:
        state: before the step.
        gradient: grad f_i at ``state.extrapolated``, ``(N, d)``.

    Returns:
        ``(N, 1)``.
    """
    move, change = state.extrapolated - state.previous, gradient - state.previous_gradient
    product = (move * change).sum(dim=1, keepdim=True).clamp(min=0)
    square = move.square().sum(dim=1, keepdim=True)
    rounding = torch.finfo(move.dtype).eps * state.extrapolated.square().sum(dim=1, keepdim=True)
    return torch.where(square > rounding, product / square, 0)


def curvature_ratio(context: GraphFacts) -> Tensor:
    r"""Return :math:`\frac12 \log_{10}(\bar\lambda_i / L_i)`, ``(N, 1)``: 0 where a node's curvatures are all the same.

    The mean eigenvalue :math:`\bar\lambda_i` over the greatest is about :math:`m / d` where a node has few samples: it
    tells how ill-conditioned the problem will be.
    """
    return 0.5 * (context.mean_curvature / context.smoothness).clamp(min=1e-4).log10()


def pull(context: GraphFacts) -> Tensor:
    """Return :attr:`.GraphFacts.pull` as a signed logarithm, ``(N, 1)``: 0 without a regularizer, 1 where it rules.

    With the curvature_ratio of the curvatures and the number of nodes it tells what else decides how well conditioned a
    problem is: a LASSO and a linear regression of the same data differ in nothing else.
    """
    return signed_log(context.pull, torch.ones_like(context.pull))


def size(context: GraphFacts) -> Tensor:
    r"""Return :math:`\frac12 \log_{10} N`, N the nodes of the graph, ``(N, 1)``."""
    return 0.5 * context.nodes.log10()


def known_at_nodes(context: GraphFacts, spectral_gap: bool) -> list[Tensor]:
    r"""Return what a node knows and what does not change during a run, ``(N, 1)`` each.

    w_ii, :attr:`.GraphFacts.regularity`, the :func:`curvature_ratio` of its curvatures, the :func:`pull` of its regularizer
    and the product of both, for few samples want other gains with a regularizer than without; with ``spectral_gap``
    also the gap, :math:`\lambda_N` and the :func:`size` of its graph.
    """
    even, pulled = curvature_ratio(context), pull(context)
    own = [context.self_weight, context.regularity, even, pulled, even * pulled]
    return own + [context.spectral_gap, context.min_eigenvalue, size(context)] * spectral_gap


def known_features(spectral_gap: bool) -> int:
    """Return how many numbers :func:`known_at_nodes` and :func:`known_at_edges` return."""
    return 5 + 3 * spectral_gap


def known_at_edges(context: GraphFacts, spectral_gap: bool) -> list[Tensor]:
    """Return w_ij and the means of what else both ends know (:func:`known_at_nodes`), ``(R, 1)`` each."""
    i, j = context.ends
    return [
        context.weight,
        *(0.5 * (q.index_select(0, i) + q.index_select(0, j)) for q in known_at_nodes(context, spectral_gap)[1:]),
    ]


def stack(*features: Tensor) -> Tensor:
    """Stack features, the first ``(rows, d)``, the others so or ``(rows, 1)``, to ``(features, rows, d)``."""
    return torch.stack([f.expand_as(features[0]) for f in features])
