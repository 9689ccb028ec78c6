"""Proximal diffusion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.algorithms.tunable import STEP_SIZE, Choice, Range, Tunable
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Problem


@dataclass(frozen=True, eq=False)
class DiffusionState:
    """State of :class:`Diffusion`."""

    x: Tensor  # (N, d), the iterate


@dataclass(frozen=True, eq=False)
class Diffusion(Tunable[DiffusionState]):
    r"""Adapt-then-combine diffusion (Chen, Sayed 2012, IEEE TSP 60(8), arXiv:1111.0034), followed by the prox.

    .. math::
        x^{k+1} = \operatorname{prox}_{\alpha r}\bigl(W (x^k - \alpha \nabla f(x^k))\bigr)

    Unlike in :class:`.ProxDGD` the gradient step is mixed as well. That takes away the network's part in the bound of
    the step, but not the error of the limit, which is of the order of alpha.

    Step size: :math:`\alpha < 2 / L`, whatever the network: prox and W expand nothing, nor does such a gradient step.
    Costs one gradient, one prox and one mixing an iteration.

    Attributes:
        step_size: alpha.
    """

    name = "diffusion"
    label = "Prox-diffusion"
    grid: ClassVar[Mapping[str, Range | Choice]] = {"step_size": STEP_SIZE}
    exact = False
    cost = Cost(rounds=1, vectors=1, gradients=1, proxes=1)

    step_size: float | Tensor

    def init(self, problem: Problem, network: Network, x0: Tensor) -> DiffusionState:
        return DiffusionState(x0)

    def step(self, problem: Problem, network: Network, state: DiffusionState) -> DiffusionState:
        adapted = state.x - self.step_size * problem.gradient(state.x)
        return DiffusionState(problem.prox(network.mix(adapted), self.step_size))
