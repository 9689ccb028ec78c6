"""Diffusion of local updates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.decentralized.wrapper import Wrapper
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Problem


@dataclass(frozen=True, eq=False)
class DiffusedState:
    """State of :class:`Diffused`."""

    x: Tensor  # (N, d), the iterate
    memory: Any  # of the local update


@dataclass(frozen=True, eq=False)
class Diffused(Wrapper[DiffusedState]):
    r"""Every node takes a local update along its own gradient, and nodes average what they get.

    .. math:: x_i^{k+1} = \sum_j w_{ij} \bigl(x_j^k + \Delta_j(\nabla f_j(x_j^k))\bigr)

    It is diffusion, adapt then combine (Cattivelli, Sayed 2010, IEEE TSP 58(3)), with any update in place of a gradient
    step. Costs one gradient and one mixing an iteration.

    **Fixed points.** They are biased: where the gradients of the nodes differ at the solution, every node leaves it by
    its own update, and the iterates stop at a distance that grows with the step. For updates that are no multiples of
    gradients, as those of Adam, it does not vanish with the step: the mean of the updates is not along the mean of the
    gradients.

    Attributes:
        update: what every node does with its gradient.
        prox_step: see :class:`.Wrapper`.

    Example:
        >>> from gnn_l2o.local_updates import Adam
        >>> Diffused(Adam(step_size=0.01)).cost
        Cost(rounds=1, vectors=1, numbers=0, minima=0, gradients=1, proxes=0, solves=0, solve_gradients=0)
    """

    name = "diffused"

    @property
    def cost(self) -> Cost:
        return Cost(rounds=1, vectors=1, gradients=1, proxes=self.proxes)

    def init(self, problem: Problem, network: Network, x0: Tensor) -> DiffusedState:
        return DiffusedState(x=x0, memory=self.update.init(x0, problem.shapes))

    def step(self, problem: Problem, network: Network, state: DiffusedState) -> DiffusedState:
        moved, memory = self.update.move(self.gradient(problem, state.x), state.x, state.memory)
        return DiffusedState(x=self.regularized(problem, network.mix(moved)), memory=memory)
