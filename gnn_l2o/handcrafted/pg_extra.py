"""Proximal gradient exact first-order algorithm."""

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
class PGExtraState:
    """State of :class:`PGExtra`."""

    x: Tensor  # (N, d), the iterate, after the prox
    z: Tensor  # (N, d), the same before the prox
    last: Tensor  # (N, d), W~ x - alpha grad f(x) at the iterate before


@dataclass(frozen=True, eq=False)
class PGExtra(Tunable[PGExtraState]):
    r"""PG-EXTRA (Shi, Ling, Wu, Yin 2015, IEEE TSP 63(22); He et al. 2024, E.3), with :math:`\tilde W = (I + W)/2`.

    .. math::
        z^1     &= W x^0 - \alpha \nabla f(x^0) \\
        z^{k+1} &= z^k + W x^k - \tilde W x^{k-1} - \alpha \bigl(\nabla f(x^k) - \nabla f(x^{k-1})\bigr) \\
        x^{k+1} &= \operatorname{prox}_{\alpha r}(z^{k+1})

    With r = 0, z = x and it is EXTRA. Subtracting :math:`\tilde W x^{k-1} - \alpha \nabla f(x^{k-1})`, which the state
    keeps, makes one mixing an iteration enough.

    Step size: :math:`\alpha < 2 \lambda_{\min}(\tilde W) / L = (1 + \lambda_{\min}(W)) / L` (Shi et al. 2015); the
    largest one that holds for all problems is :math:`(5 + 3 \lambda_{\min}(W)) / (4 L)` (Li, Yan 2021, arXiv:1711.06785).
    Costs one gradient, one prox and one mixing an iteration.

    Attributes:
        step_size: alpha.
    """

    name = "pg_extra"
    label = "PG-EXTRA"
    grid: ClassVar[Mapping[str, Range | Choice]] = {"step_size": STEP_SIZE}
    cost = Cost(rounds=1, vectors=1, gradients=1, proxes=1)

    step_size: float | Tensor

    def init(self, problem: Problem, network: Network, x0: Tensor) -> PGExtraState:
        return PGExtraState(x=x0, z=x0, last=x0)  # z - last = 0 makes the first step the one for z^1

    def step(self, problem: Problem, network: Network, state: PGExtraState) -> PGExtraState:
        x, mixed = state.x, network.mix(state.x)
        descent = self.step_size * problem.gradient(x)
        z = (state.z - state.last) + mixed - descent
        return PGExtraState(x=problem.prox(z, self.step_size), z=z, last=0.5 * (x + mixed) - descent)
