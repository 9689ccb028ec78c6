"""Proximal exact diffusion."""

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
class ProxEDState:
    """State of :class:`ProxED`."""

    x: Tensor  # (N, d), the iterate, after the prox
    z: Tensor  # (N, d), the same before the prox
    psi: Tensor  # (N, d), the last local gradient step


@dataclass(frozen=True, eq=False)
class ProxED(Tunable[ProxEDState]):
    r"""Proximal exact diffusion (Alghunaim, Ryu, Yuan, Sayed 2021, IEEE TAC 66(6); He et al. 2024, E.3).

    .. math::
        \psi^{k+1} &= x^k - \alpha \nabla f(x^k)                                && \text{adapt} \\
        z^{k+1}    &= \tfrac12 (I + W) (z^k + \psi^{k+1} - \psi^k)              && \text{correct, combine} \\
        x^{k+1}    &= \operatorname{prox}_{\alpha r}(z^{k+1}),                  && z^0 = \psi^0 = x^0

    With r = 0, z = x and it is exact diffusion.

    Step size: :math:`\alpha < 2 / L`, whatever the network. Costs one gradient, one prox and one mixing an iteration.

    Attributes:
        step_size: alpha.
    """

    name = "prox_ed"
    label = "Prox-ED"
    grid: ClassVar[Mapping[str, Range | Choice]] = {"step_size": STEP_SIZE}
    cost = Cost(rounds=1, vectors=1, gradients=1, proxes=1)

    step_size: float | Tensor

    def init(self, problem: Problem, network: Network, x0: Tensor) -> ProxEDState:
        return ProxEDState(x=x0, z=x0, psi=x0)

    def step(self, problem: Problem, network: Network, state: ProxEDState) -> ProxEDState:
        psi = state.x - self.step_size * problem.gradient(state.x)
        corrected = state.z + psi - state.psi
        z = 0.5 * (corrected + network.mix(corrected))
        return ProxEDState(x=problem.prox(z, self.step_size), z=z, psi=psi)
