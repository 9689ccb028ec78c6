"""Halpern's iteration with extragradient steps."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.algorithms.extrapolation import extrapolated_step
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted.min_max_method import MinMaxMethod
from gnn_l2o.problems import Problem


@dataclass(frozen=True, eq=False)
class HalpernState:
    """State of :class:`Halpern`."""

    x: Tensor  # (N, d), the iterate, u and v
    anchor: Tensor  # (N, d), x^0
    iteration: int  # k


class Halpern(MinMaxMethod[HalpernState]):
    r"""Halpern's iteration (Halpern 1967) with extragradient steps (Yoon, Ryu 2021, arXiv:2102.07922), then combined.

    .. math::
        a^k         &= x^k + \tfrac{1}{k + 2} (x^0 - x^k) \\
        x^{k + 1/2} &= a^k - \eta G(x^k) \\
        x^{k+1}     &= W \bigl(a^k - \eta G(x^{k + 1/2})\bigr)

    This is their EAG-C. Halpern's own iteration takes steps that do not expand distances; a gradient step of a field
    that turns does. At one node, with a monotone field and :math:`\eta = 1 / (8 L)`, the residual falls like 1/k,
    :math:`\|G(x^k)\|^2 \le 260 L^2 \|x^0 - x^\star\|^2 / (k + 1)^2`, which is the best possible order. It is no faster
    where the problem is easier, since the weight of x^0 falls like 1/k too. Costs two gradients and one mixing an
    iteration.

    Attributes:
        step_size: eta.
    """

    name = "halpern"
    label = "Halpern"
    cost = Cost(rounds=1, vectors=1, gradients=2)

    def init(self, problem: Problem, network: Network, x0: Tensor) -> HalpernState:
        return HalpernState(x0, x0, 0)

    def step(self, problem: Problem, network: Network, state: HalpernState) -> HalpernState:
        anchored = state.x + (state.anchor - state.x) / (state.iteration + 2)
        x = extrapolated_step(problem, anchored, problem.gradient(state.x), self.step_size)
        return HalpernState(network.mix(x), state.anchor, state.iteration + 1)
