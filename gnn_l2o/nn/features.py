"""Inputs of the preconditioners."""

import math

import torch
from torch import Tensor

from gnn_l2o.graph.communication import Ends
from gnn_l2o.graph.exchange import Exchange
from gnn_l2o.nn.facts import GraphFacts
from gnn_l2o.nn.state import MiLoDoState

_FLOOR = 1e-4  # values below it, in the node's own unit, all look like zero


def signed_log(value: Tensor, unit: Tensor) -> Tensor:
    r"""Return :math:`\operatorname{sign}(v) \log(1 + |v| / (\epsilon u)) / \log(1 + 1 / \epsilon)`, 1 where v = u.

    It preserves the order of magnitude of values that shrink over many decades during a run, as inputs of learned
    optimizers must (Andrychowicz et al. 2016, appendix A).

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

    It is the unit of a node's features: multiplying x by a constant, or f by one, changes no feature.
    For a node whose initial point minimizes its own loss the unit is 1.
    """
    size = gradient.square().mean(dim=1, keepdim=True).sqrt() / smoothness
    return torch.where(size > 0, size, torch.ones_like(size))


@torch.no_grad()
def secant_curvature(state: MiLoDoState, gradient: Tensor) -> Tensor:
    r"""Return the secant (Barzilai-Borwein) curvature :math:`\max(\langle s_i, u_i \rangle, 0) / \|s_i\|^2`.

    s is a node's last move and u the change of its gradient on the way (Barzilai, Borwein 1988). Where the losses of
    neighbours are steep in different directions, their common moves see little of each one's largest curvature; where
    their losses are alike the moves see much of it. It is measured, not differentiated. It is 0 before the first move,
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


def curvature_ratio(facts: GraphFacts) -> Tensor:
    r"""Return :math:`\frac12 \log_{10}(\bar\lambda_i / L_i)`, ``(N, 1)``, the mean-to-maximal curvature ratio.

    It is 0 where all eigenvalues of a node's Hessian are equal. Where a node has few samples the ratio of the mean
    eigenvalue :math:`\bar\lambda_i` to the largest is about :math:`m / d`: it indicates how ill-conditioned the problem
    is.
    """
    return 0.5 * (facts.mean_curvature / facts.smoothness).clamp(min=1e-4).log10()


def shrinkage(facts: GraphFacts) -> Tensor:
    """Return :attr:`.GraphFacts.prox_shrinkage` as a signed logarithm, ``(N, 1)``: 0 without a regularizer, at most 1.

    Together with the curvature ratio and the number of nodes it indicates how well conditioned a problem is: a LASSO
    and a linear regression of the same data differ in nothing else.
    """
    return signed_log(facts.prox_shrinkage, torch.ones_like(facts.prox_shrinkage))


def graph_size(facts: GraphFacts) -> Tensor:
    r"""Return :math:`\frac12 \log_{10} N`, N the number of nodes of the graph, ``(N, 1)``."""
    return 0.5 * facts.num_nodes.log10()


def known_at_nodes(facts: GraphFacts, spectral_gap: bool) -> list[Tensor]:
    r"""Return the features of a node that are constant during a run, ``(N, 1)`` each.

    These are w_ii, :attr:`.GraphFacts.self_weight_ratio`, the :func:`curvature_ratio`, the :func:`shrinkage` of its
    prox and the product of both (with few samples, other coefficients suit a problem with a regularizer than one
    without); with ``spectral_gap`` also the spectral gap, :math:`\lambda_N` and the :func:`graph_size`.
    """
    ratio, shrunk = curvature_ratio(facts), shrinkage(facts)
    own = [facts.self_weight, facts.self_weight_ratio, ratio, shrunk, ratio * shrunk]
    return own + [facts.spectral_gap, facts.min_eigenvalue, graph_size(facts)] * spectral_gap


def known_features(spectral_gap: bool) -> int:
    """Return how many numbers :func:`known_at_nodes` and :func:`known_at_edges` return."""
    return 5 + 3 * spectral_gap


def known_at_edges(facts: GraphFacts, exchange: Exchange, spectral_gap: bool) -> list[Tensor]:
    """Return w_ij and the means of the other features at both ends (:func:`known_at_nodes`), ``(R, 1)`` each.

    Neighbours tell each other three numbers once, before the first iteration; what concerns the whole graph is the
    same at both ends.
    """
    local = torch.cat([facts.self_weight_ratio, curvature_ratio(facts), shrinkage(facts)], dim=1)
    (ends,) = exchange.neighbours(numbers=local, setup=True)
    product = Ends(*(end[:, 1:2] * end[:, 2:3] for end in (ends.own, ends.other)))
    of_graph = [facts.spectral_gap, facts.min_eigenvalue, graph_size(facts)] * spectral_gap
    return [facts.weight, *torch.split(ends.mean, 1, dim=1), product.mean, *map(exchange.at_edges, of_graph)]


def known_at_both(facts: GraphFacts, exchange: Exchange, spectral_gap: bool) -> tuple[Tensor, Tensor]:
    """Return the features of :func:`known_at_nodes` and :func:`known_at_edges` in columns."""
    node, edge = known_at_nodes(facts, spectral_gap), known_at_edges(facts, exchange, spectral_gap)
    return torch.cat(node, dim=1), torch.cat(edge, dim=1)


def stack(*features: Tensor) -> Tensor:
    """Stack features, the first ``(rows, d)``, the others so or ``(rows, 1)``, to ``(features, rows, d)``."""
    return torch.stack([f.expand_as(features[0]) for f in features])
