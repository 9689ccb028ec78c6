"""Inputs of the networks that emit penalties."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gnn_l2o.graph.communication import Ends
from gnn_l2o.nn.facts import GraphFacts
from gnn_l2o.nn.features import curvature_ratio, graph_size, shrinkage
from gnn_l2o.nn.local_state import LocalState

OF_GRAPH, KNOWN, KNOWN_AT_EDGES, SEEN = 3, 9, 3, 8
LEVEL_SCALE = 4.0  # of logarithms of penalties in their units
DECADES = 4.0  # beyond which ratios look alike


def known_at_node(facts: GraphFacts, degree: Tensor, shape: Tensor) -> Tensor:
    r"""Return what a node knows before the first iteration, ``(N, 9)``.

    These are the spectral gap, :math:`\lambda_N` and the :func:`.graph_size`; w_ii, the :func:`.curvature_ratio`, the
    :func:`.shrinkage` of its prox and the product of both; log10 of its degree and the standard deviation of log10 of
    the diagonal of its Hessian.

    Args:
        facts: set-up knowledge.
        degree: ``(N, 1)``, at least 1.
        shape: the diagonal of the Hessian over its mean, ``(N, d)`` or ``(N, 1)``, positive.
    """
    ratio, shrunk = curvature_ratio(facts), shrinkage(facts)
    spread = shape.log10().std(dim=1, correction=0, keepdim=True)
    of_graph = [facts.spectral_gap, facts.min_eigenvalue, graph_size(facts)]
    return torch.cat([*of_graph, facts.self_weight, ratio, shrunk, ratio * shrunk, degree.log10(), spread], dim=1)


def told_at_edges(facts: GraphFacts, log_degree: Ends) -> Tensor:
    """Return what both ends of an edge know: w_ij, mean and difference of log10 of the degrees, ``(R, 3)``."""
    return torch.cat([facts.weight, log_degree.mean, log_degree.difference.abs()], dim=1)


@torch.no_grad()
def seen_in_step(
    state: LocalState, z: Tensor, subgradient: Tensor, weight: Tensor, level: Tensor, flattening: Tensor
) -> Tensor:
    r"""Return what a node sees in one step, ``(N, 8)``; measured, not differentiated.

    With norms and angles in the metric of the local solve's weight w, :math:`\Delta` for the changes since the last
    step and d from the last exchange these are: log10 of the secant curvature over the penalty,
    :math:`\|\Delta s\|_{1/w} / \|\Delta z\|_w`, s the subgradient of f_i + r, by which spectral penalties go (Xu et
    al. 2017); log10 of the disagreement over the move, :math:`\|d\|_{1/w} / \|\Delta z\|_w`, which residual balancing
    compares (Boyd et al. 2011, Section 3.4.1); the cosines between the last two moves, and between the last two d:
    moves that go on ask for smaller penalties, moves that turn back for larger ones; the share of coordinates that are
    not zero; log10 of the number of steps; the level; and by how much the curvature differs from that at the initial
    point, as a logistic loss is flat where it is certain. What does not yet exist is 0.

    Args:
        state: before the step.
        z: the outcome of the local solve, ``(N, d)``.
        subgradient: of f_i + r there, ``(N, d)``.
        weight: of the local solve, ``(N, d)`` or ``(N, 1)``.
        level: the mean logarithm of the node's penalties in their units, ``(N, 1)``.
        flattening: the logarithm of the mean curvature at z over that at the initial point, ``(N, 1)``.
    """
    root = weight.sqrt()
    move, before = root * (z - state.x), root * (state.x - state.previous.x)
    apart, apart_before = state.apart / root, state.previous.apart / root
    bent = (subgradient - state.subgradient) / root
    nothing = torch.zeros_like(level)
    k = state.iteration
    features = [
        _log_ratio(bent, move) if k > 1 else nothing,
        _log_ratio(apart, move) if k > 0 else nothing,
        _cosine(move, before) if k > 1 else nothing,
        _cosine(apart, apart_before) if k > 1 else nothing,
        (z != 0).to(z).mean(dim=1, keepdim=True),
        torch.full_like(level, math.log10(1 + k)),
        level / LEVEL_SCALE,
        flattening / LEVEL_SCALE,
    ]
    return torch.cat(features, dim=1)


def _norm(v: Tensor) -> Tensor:
    return torch.linalg.vector_norm(v, dim=1, keepdim=True)


def _log_ratio(up: Tensor, down: Tensor) -> Tensor:
    """Return log10 of the ratio of two norms, within -4 and 4; 0 where a vector is zero."""
    above, below = _norm(up), _norm(down)
    return torch.where((above > 0) & (below > 0), (above / below).log10(), 0.0).clamp(-DECADES, DECADES)


def _cosine(v: Tensor, w: Tensor) -> Tensor:
    """Return the cosine of the angle between two vectors; 0 where one is zero."""
    product = _norm(v) * _norm(w)
    return torch.where(product > 0, (v * w).sum(dim=1, keepdim=True) / product, 0.0)
