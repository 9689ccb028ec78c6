"""Gradient tracking with local Newton directions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.algorithms.tunable import Choice, Range, Tunable
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Problem


@dataclass(frozen=True, eq=False)
class NetworkGIANTState:
    """State of :class:`NetworkGIANT`."""

    x: Tensor  # (N, d), the iterate
    tracker: Tensor  # (N, d), s, of the mean gradient
    gradient: Tensor  # (N, d), grad f(x)


@dataclass(frozen=True, eq=False)
class NetworkGIANT(Tunable[NetworkGIANTState]):
    r"""Network-GIANT (Maritan, Sharma, Schenato, Dey 2023, arXiv:2305.07898; analysed in arXiv:2602.14830).

    .. math::
        x^{k+1} &= W \bigl(x^k - a H^{-1} s^k\bigr),
                \qquad H = \operatorname{Diag}_i(\nabla^2 f_i(x_i^k) + \delta I) \\
        s^{k+1} &= W \bigl(s^k + \nabla f(x^{k+1}) - \nabla f(x^k)\bigr),  && s^0 = \nabla f(x^0)

    Where nodes nearly agree, it is a Newton step with the harmonic mean of the local Hessians. The papers are about
    strongly convex f_i and have no :math:`\delta`; here it makes H regular where nodes have fewer samples than
    coordinates.

    Step size: the papers prove convergence for a small enough a; 1 is the full Newton step of equal f_i. Costs one
    gradient, one local solve (:meth:`.Problem.newton_solve`) and two mixings an iteration, and one gradient at the
    start.

    Attributes:
        step_size: a.
        shift: delta.
    """

    name = "network_giant"
    label = "Network-GIANT"
    grid: ClassVar[Mapping[str, Range | Choice]] = {
        "step_size": Range(0.05, 1.2),
        "shift": Range(0.003, 0.3, unit="L"),
    }
    composite = False
    cost = Cost(rounds=2, vectors=2, gradients=1, solves=1)
    setup_cost = Cost(gradients=1)

    step_size: float | Tensor
    shift: float | Tensor

    def init(self, problem: Problem, network: Network, x0: Tensor) -> NetworkGIANTState:
        gradient = problem.gradient(x0)
        return NetworkGIANTState(x=x0, tracker=gradient, gradient=gradient)

    def step(self, problem: Problem, network: Network, state: NetworkGIANTState) -> NetworkGIANTState:
        direction = problem.newton_solve(state.x, state.tracker, self.shift)
        x = network.mix(state.x - self.step_size * direction)
        gradient = problem.gradient(x)
        tracker = network.mix(state.tracker + gradient - state.gradient)
        return NetworkGIANTState(x=x, tracker=tracker, gradient=gradient)
