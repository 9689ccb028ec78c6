"""Consensus ADMM whose penalties follow the curvature that the nodes meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.algorithms.curvature import added_curvature
from gnn_l2o.algorithms.tunable import Choice, Range, Tunable
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Problem

# Choices, from a few runs on LASSO and breast_cancer; Xu et al. have 1 and 1e10 with their estimates.
FACTOR = 2.0
ADAPTIVITY = 20.0
RELAXATION = 0.97
# Penalties stay within these multiples of the node's mean curvature, shared by its edges.
LOWEST, HIGHEST = 0.03, 100.0


@dataclass(frozen=True, eq=False)
class SpectralADMMState:
    """State of :class:`SpectralADMM`."""

    x: Tensor  # (N, d), the iterate, after the local solve
    dual: Tensor  # (N, d), y; sums to zero over the nodes
    center: Tensor  # (N, d), x^
    subgradient: Tensor  # (N, d), of f_i + r at x; zero before the first step
    penalty: Tensor  # (N, 1), c of this iteration
    next_penalty: Tensor  # (N, 1), c of the next one
    weight: Tensor  # (N, 1), the sum of rho_ij over the node's edges
    iteration: int  # k, from 0


@dataclass(frozen=True, eq=False)
class SpectralADMM(Tunable[SpectralADMMState]):
    r"""Consensus ADMM with spectral penalties at the edges, after Xu, Taylor et al. 2017 (ACADMM, ICML).

    The recursion is that of :class:`.ADMM` with :math:`\alpha = 0.97` and a penalty for every edge, the geometric mean
    of a number of each end,

    .. math::
        w_i       &= \textstyle\sum_j \rho_{ij}, \qquad \rho_{ij} = \sqrt{c_i c_j} \\
        x_i^{k+1} &= \arg\min f_i(x) + r(x) + \langle y_i^k, x \rangle + \tfrac{w_i}{2} \|x - \hat x_i^k\|^2 \\
        d_i       &= \textstyle\sum_j \rho_{ij} (x_i^{k+1} - x_j^{k+1}), \qquad y_i^{k+1} = y_i^k + \alpha d_i \\
        \hat x_i^{k+1} &= \hat x_i^k + 2 \alpha (x_i^{k+1} - d_i / (2 w_i) - \hat x_i^k)

    The solve gives the subgradient :math:`s_i^{k+1} = w_i (\hat x_i^k - x_i^{k+1}) - y_i^k` of :math:`f_i + r`. From
    the last two, with :math:`\Delta` their differences, a node estimates its curvature and moves c towards it,

    .. math::
        h_i = \frac{\|\Delta s_i\|}{\|\Delta x_i\|}, \qquad
        c_i \leftarrow c_i \Bigl[\frac{2 h_i}{w_i}\Bigr]_{1 / b_k}^{b_k}, \qquad b_k = 1 + \frac{20}{k^2}

    :math:`h` is the geometric mean of the two Barzilai-Borwein estimates :math:`\|\Delta s\|^2 / \langle \Delta s,
    \Delta x \rangle` and :math:`\langle \Delta s, \Delta x \rangle / \|\Delta x\|^2`, which ACADMM combines in another
    way, with an estimate for the consensus variable that has no counterpart at a node of a network. The bound b_k is
    ACADMM's, with another constant: since :math:`\sum_k \log b_k < \infty`, penalties converge, to positive numbers.
    With fixed ones ADMM converges from anywhere, for all convex f_i; with these the changes are summable. c starts at a
    multiple of the mean curvature of f_i, divided by the number of neighbours, and stays within 0.03 and 100 times it.

    A node sends its c of this iteration and of the next with its vector, and its first one before the first
    iteration. Costs one local solve and one exchange an iteration.

    Attributes:
        initial_penalty: the first :math:`w`, in units of the node's mean curvature.
    """

    name = "spectral_admm"
    label = "Spectral ADMM"
    dual = "dual"
    grid: ClassVar[Mapping[str, Range | Choice]] = {"initial_penalty": Range(0.1, 30.0)}
    cost = Cost(rounds=1, vectors=1, numbers=2, solves=1)
    setup_knowledge = frozenset({"graph_max"})

    initial_penalty: float | Tensor

    def init(self, problem: Problem, network: Network, x0: Tensor) -> SpectralADMMState:
        zero = torch.zeros_like(x0)
        first = self.initial_penalty * _share(problem, network, x0)
        (ends,) = network.neighbours(numbers=first, setup=True)
        weight = network.reduce((ends.own * ends.other).sqrt(), "sum", empty=0.0)
        return SpectralADMMState(x0, zero, x0, zero, first, first, weight, iteration=0)

    def step(self, problem: Problem, network: Network, state: SpectralADMMState) -> SpectralADMMState:
        # A node without neighbours has one of itself, so that its steps are those of the proximal point method.
        weight = torch.where(state.weight > 0, state.weight, state.penalty)
        x = problem.local_solve(state.center - state.dual / weight, weight, state.x)
        subgradient = weight * (state.center - x) - state.dual
        sent = torch.cat([state.penalty, state.next_penalty], dim=1)
        vectors, numbers = network.neighbours(x, numbers=sent)
        penalties = (numbers.own * numbers.other).sqrt()  # (U, 2), of this iteration and the next
        apart = network.collect(penalties[:, :1] * vectors.difference)
        k = state.iteration + 1
        following = state.next_penalty
        if k > 1:
            curvature = _ratio(subgradient - state.subgradient, x - state.x, empty=weight / FACTOR)
            bound = 1 + ADAPTIVITY / k**2
            following = following * (FACTOR * curvature / weight).clamp(1 / bound, bound)
            share = _share(problem, network, x)
            following = torch.minimum(torch.maximum(following, LOWEST * share), HIGHEST * share)
        return SpectralADMMState(
            x=x,
            dual=state.dual + RELAXATION * apart,
            center=state.center + 2 * RELAXATION * (x - 0.5 * apart / weight - state.center),
            subgradient=subgradient,
            penalty=state.next_penalty,
            next_penalty=following,
            weight=network.reduce(penalties[:, 1:], "sum", empty=0.0),
            iteration=k,
        )


def _share(problem: Problem, network: Network, like: Tensor) -> Tensor:
    """Return the mean curvature of every node for each of its edges, ``(N, 1)``."""
    mean = problem.mean_curvature().to(like)
    mean = mean + added_curvature(mean, network, 0.0)  # a node without data has a penalty as well
    return mean / network.degree.to(like).clamp(min=1)


def _ratio(change: Tensor, move: Tensor, *, empty: Tensor) -> Tensor:
    """Return the ratio of the norms of two vectors of every node, ``(N, 1)``; ``empty`` where a vector is zero."""
    up, down = change.norm(dim=1, keepdim=True), move.norm(dim=1, keepdim=True)
    return torch.where((up > 0) & (down > 0), up / down, empty)
