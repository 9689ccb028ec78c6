"""Over-relaxed consensus ADMM with one penalty a coordinate."""

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
from gnn_l2o.handcrafted.admm import relax
from gnn_l2o.problems import Problem

FLOOR = 1e-6  # of a diagonal entry relative to the node's mean, so that a column of zeros has a penalty as well


@dataclass(frozen=True, eq=False)
class DiagonalADMMState:
    """State of :class:`DiagonalADMM`."""

    x: Tensor  # (N, d), the iterate, after the local solve
    dual: Tensor  # (N, d), y; sums to zero over the nodes
    center: Tensor  # (N, d), x^
    root: Tensor  # (N, d), s_i
    neighbours: Tensor  # (N, d), the sum of s_j over the neighbours j


@dataclass(frozen=True, eq=False)
class DiagonalADMM(Tunable[DiagonalADMMState]):
    r""":class:`.ADMM` with one penalty an edge and coordinate, from the diagonals of the nodes' Hessians.

    .. math::
        \rho_{ij} = \rho s_i \odot s_j, \qquad
        s_i^2 = \bar h_i \Bigl(\frac{h_i}{\bar h_i}\Bigr)^{\theta}, \qquad
        h_i = \operatorname{diag} \nabla^2 f_i(x_i^0)

    with :math:`\bar h_i` the mean of h_i. With :math:`\theta = 1` penalties are proportional to the diagonal; with
    its square root, :math:`\theta = \tfrac12`, runs are often faster.

    It converges for the same reason as :class:`.ADMM`: this is Douglas-Rachford splitting in another fixed metric. The
    geometric mean of both ends takes no more than one vector a round: with :math:`m_j = s_j \odot x_j` a node has

    .. math::
        d_i = \textstyle\sum_j \rho_{ij} \odot (x_i - x_j)
            = \rho s_i \odot \bigl((\textstyle\sum_j s_j) \odot x_i - \sum_j m_j\bigr).

    Costs one local solve and one exchange an iteration; before the first, neighbours tell each other their s, d numbers
    in one round. A node's diagonal counts as gradients inside local solves.

    Attributes:
        penalty: rho, relative to the curvature.
        power: theta.
        relaxation: alpha.
    """

    name = "admm_diagonal"
    label = "diagonal ADMM"
    dual = "dual"
    grid: ClassVar[Mapping[str, Range | Choice]] = {
        "penalty": Range(0.01, 10.0),
        "power": Choice((0.5, 1.0)),
        "relaxation": Choice((0.97,)),
    }
    cost = Cost(rounds=1, vectors=1, solves=1)
    setup_knowledge = frozenset({"graph_max"})

    penalty: float | Tensor
    power: float | Tensor
    relaxation: float | Tensor

    def init(self, problem: Problem, network: Network, x0: Tensor) -> DiagonalADMMState:
        diagonal = problem.hessian_diagonal(x0)
        mean = diagonal.mean(dim=1, keepdim=True)
        added = added_curvature(mean, network, 0.0)  # a node without data has a penalty as well
        diagonal, mean = diagonal + added, mean + added
        root = (mean * (diagonal / mean).clamp(min=FLOOR) ** self.power).sqrt()
        (ends,) = network.neighbours(numbers=root, directed=True, setup=True)
        total = network.reduce(ends.other, "sum", empty=0.0, directed=True)
        alone = network.degree.to(root) == 0
        return DiagonalADMMState(
            x=x0, dual=torch.zeros_like(x0), center=x0, root=root, neighbours=torch.where(alone, root, total)
        )

    def step(self, problem: Problem, network: Network, state: DiagonalADMMState) -> DiagonalADMMState:
        weight = self.penalty * state.root * state.neighbours
        x = problem.local_solve(state.center - state.dual / weight, weight, state.x)
        (sent,) = network.neighbours(state.root * x, directed=True)
        received = network.reduce(sent.other, "sum", empty=0.0, directed=True)
        apart = torch.where(network.degree.to(x) == 0, 0.0, weight * x - self.penalty * state.root * received)
        dual, center = relax(state.dual, state.center, x, apart, weight, self.relaxation)
        return DiagonalADMMState(x=x, dual=dual, center=center, root=state.root, neighbours=state.neighbours)
