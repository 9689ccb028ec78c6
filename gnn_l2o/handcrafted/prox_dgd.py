"""Proximal decentralized gradient descent."""

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
class ProxDGDState:
    """State of :class:`ProxDGD`."""

    x: Tensor  # (N, d), the iterate


@dataclass(frozen=True, eq=False)
class ProxDGD(Tunable[ProxDGDState]):
    r"""Proximal decentralized gradient descent (Zeng, Yin 2018, arXiv:1608.05766; a baseline of He et al. 2024, E.3).

    .. math::
        x^{k+1} = \operatorname{prox}_{\alpha r}\bigl(W x^k - \alpha \nabla f(x^k)\bigr)

    With r = 0 it is DGD. It is forward-backward splitting of
    :math:`\sum_i f_i(x_i) + r(x_i) + \tfrac{1}{2\alpha} \langle x, (I - W) x \rangle`, so it converges to the minimizer
    of that, which is off the solution by an error of the order of alpha.

    Step size: :math:`\alpha < (1 + \lambda_{\min}(W)) / L`. Costs one gradient, one prox and one mixing an iteration.

    Attributes:
        step_size: alpha.
    """

    name = "prox_dgd"
    label = "Prox-DGD"
    grid: ClassVar[Mapping[str, Range | Choice]] = {"step_size": STEP_SIZE}
    exact = False
    cost = Cost(rounds=1, vectors=1, gradients=1, proxes=1)

    step_size: float | Tensor

    def init(self, problem: Problem, network: Network, x0: Tensor) -> ProxDGDState:
        return ProxDGDState(x0)

    def step(self, problem: Problem, network: Network, state: ProxDGDState) -> ProxDGDState:
        x = state.x
        return ProxDGDState(problem.prox(network.mix(x) - self.step_size * problem.gradient(x), self.step_size))
