"""Network independent step sizes."""

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
class NIDSState:
    """State of :class:`NIDS`."""

    x: Tensor  # (N, d), the iterate, after the prox
    z: Tensor  # (N, d), the same before the prox
    psi: Tensor  # (N, d), the last local gradient step
    first: bool  # whether the first step is still to come


@dataclass(frozen=True, eq=False)
class NIDS(Tunable[NIDSState]):
    r"""NIDS (Li, Shi, Yan 2019, IEEE TSP 67(17), arXiv:1704.07807) with one step and :math:`\tilde W = (I + W)/2`.

    .. math::
        \psi^{k+1} &= x^k - \alpha \nabla f(x^k) \\
        z^1        &= \psi^1 \\
        z^{k+1}    &= z^k - x^k + \tilde W (x^k + \psi^{k+1} - \psi^k)          && k \ge 1 \\
        x^{k+1}    &= \operatorname{prox}_{\alpha r}(z^{k+1})

    The bracket is :math:`2 x^k - x^{k-1} - \alpha (\nabla f(x^k) - \nabla f(x^{k-1}))`. With r = 0, z = x and it is
    exact diffusion from another start: :class:`.ProxED`, where the network multiplies z as well, mixes in its first
    iteration too.

    Step size: :math:`\alpha < 2 / L`, whatever the network. Costs one gradient, one prox and one mixing an iteration,
    the first no mixing.

    Attributes:
        step_size: alpha.
    """

    name = "nids"
    label = "NIDS"
    grid: ClassVar[Mapping[str, Range | Choice]] = {"step_size": STEP_SIZE}
    cost = Cost(rounds=1, vectors=1, gradients=1, proxes=1)
    setup_cost = Cost(rounds=-1, vectors=-1)

    step_size: float | Tensor

    def init(self, problem: Problem, network: Network, x0: Tensor) -> NIDSState:
        return NIDSState(x=x0, z=x0, psi=x0, first=True)

    def step(self, problem: Problem, network: Network, state: NIDSState) -> NIDSState:
        x = state.x
        psi = x - self.step_size * problem.gradient(x)
        if state.first:
            z = psi
        else:
            corrected = x + psi - state.psi
            z = (state.z - x) + 0.5 * (corrected + network.mix(corrected))
        return NIDSState(x=problem.prox(z, self.step_size), z=z, psi=psi, first=False)
