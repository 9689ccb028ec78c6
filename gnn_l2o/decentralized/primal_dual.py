"""Local updates along gradients that dual variables correct."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import Cost
from gnn_l2o.decentralized.wrapper import Wrapper
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Problem

MIXING = 0.5  # of x, as in exact diffusion: the largest for which all W with eigenvalues above -1 keep it stable


@dataclass(frozen=True, eq=False)
class PrimalDualState:
    """State of :class:`PrimalDual`."""

    x: Tensor  # (N, d), the iterate
    y: Tensor  # (N, d), the dual variables; they sum to zero over the nodes
    memory: Any  # of the local update


@dataclass(frozen=True, eq=False)
class PrimalDual(Wrapper[PrimalDualState]):
    r"""Every node takes a local update along its gradient and dual variable, which gather the differences of nodes.

    .. math::
        z_i^k     &= x_i^k + \Delta_i(\nabla f_i(x_i^k) + y_i^k) \\
        y_i^{k+1} &= y_i^k + \delta \sum_j w_{ij} (z_i^k - z_j^k),            && y^0 = 0 \\
        x_i^{k+1} &= z_i^k - \tfrac12 \sum_j w_{ij} (z_i^k - z_j^k)

    It is (22)-(24) of He et al. 2024 (arXiv:2410.01700) with any update in (22) and the same multiple of the mixing
    weights on all coordinates in (23) and (24). With a gradient step alpha and :math:`\delta = 1 / (2 \alpha)` it is
    exact diffusion (:class:`.ProxED`). Costs one gradient and one mixing an iteration.

    **Fixed points.** Those of :class:`.Tracked`: a consensus at a solution, with :math:`y_i = -\nabla f_i(x)`, if and
    only if the update preserves zero.

    Attributes:
        update: what every node does with the corrected gradient.
        prox_step: see :class:`.Wrapper`.
        dual_step: delta, in units of a gradient over a difference of iterates; that of a curvature.
    """

    name = "primal_dual"
    dual: ClassVar[str | None] = "y"

    dual_step: float | Tensor = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        delta = torch.as_tensor(self.dual_step)
        if not bool(((delta > 0) & (delta < math.inf)).all()):
            raise InputError(f"{self.name} needs a finite dual_step > 0, got {self.dual_step}")

    @property
    def cost(self) -> Cost:
        return Cost(rounds=1, vectors=1, gradients=1, proxes=self.proxes)

    def init(self, problem: Problem, network: Network, x0: Tensor) -> PrimalDualState:
        return PrimalDualState(x=x0, y=torch.zeros_like(x0), memory=self.update.init(x0, problem.shapes))

    def step(self, problem: Problem, network: Network, state: PrimalDualState) -> PrimalDualState:
        z, memory = self.update.move(self.gradient(problem, state.x) + state.y, state.x, state.memory)
        disagreement = z - network.mix(z)
        x = self.regularized(problem, z - MIXING * disagreement)
        return PrimalDualState(x=x, y=state.y + self.dual_step * disagreement, memory=memory)
