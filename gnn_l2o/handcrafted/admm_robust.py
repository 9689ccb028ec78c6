"""Over-relaxed consensus ADMM for links that lose messages."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.algorithms.tunable import Tunable
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted.admm import ADMM
from gnn_l2o.problems import Problem


@dataclass(frozen=True, eq=False)
class RobustADMMState:
    """State of :class:`RobustADMM`."""

    x: Tensor  # (N, d), the iterate, after the local solve
    center: Tensor  # (N, d), where the next local solve looks
    edge: Tensor  # (E, d), z_ij of node i, for the directed edge (j, i)


@dataclass(frozen=True, eq=False)
class RobustADMM(Tunable[RobustADMMState]):
    r""":class:`.ADMM` with a variable for each end of an edge (Bastianello, Carli, Schenato, Todescato 2021, IEEE TAC).

    .. math::
        x_i &= \arg\min_x f_i(x) + r(x)
               + \textstyle\sum_{j \in \mathcal N(i)} \tfrac\rho2 \|x - z_{ij} / \rho\|^2 \\
        z_{ij}^+ &= (1 - \alpha) z_{ij} - \alpha (z_{ji} - 2 \rho x_j)

    Node j sends :math:`z_{ji} - 2 \rho x_j`, another vector to each neighbour; where it does not arrive,
    :math:`z_{ij}` stays. Where all messages arrive, the iterates are those of :class:`.ADMM`. A lost message leaves one
    block of coordinates of an averaged operator as it is, whether its sender knows or not: if losses are
    random it converges almost surely, for all convex f_i, every rho > 0 and alpha in (0, 1) (arXiv:1901.09252).

    Costs one local solve and one exchange an iteration.

    Attributes:
        penalty: rho.
        relaxation: alpha.
    """

    name = "admm_robust"
    label = "robust ADMM"
    grid = ADMM.grid
    cost = Cost(rounds=1, vectors=1, solves=1)

    penalty: float | Tensor
    relaxation: float | Tensor

    def init(self, problem: Problem, network: Network, x0: Tensor) -> RobustADMMState:
        return RobustADMMState(x=x0, center=x0, edge=network.to_edges(self.penalty * x0))

    def step(self, problem: Problem, network: Network, state: RobustADMMState) -> RobustADMMState:
        degree = network.degree.to(state.x)
        weight = self.penalty * degree.clamp(min=1)
        x = problem.local_solve(state.center, weight, state.x)
        ends = network.swap_ends(state.edge - network.to_edges(2 * self.penalty * x))
        edge = ends.update(state.edge, (1 - self.relaxation) * state.edge - self.relaxation * ends.other)
        # A node without neighbours takes the steps of the proximal point method, as in ADMM.
        alone = state.center + 2 * self.relaxation * (x - state.center)
        center = torch.where(degree == 0, alone, network.collect(edge, directed=True) / weight)
        return RobustADMMState(x=x, center=center, edge=edge)
