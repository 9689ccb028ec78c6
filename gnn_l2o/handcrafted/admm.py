"""Over-relaxed consensus ADMM with exact or inexact local solves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.algorithms.tunable import Choice, Range, Tunable
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Problem


@dataclass(frozen=True, eq=False)
class ADMMState:
    """State of :class:`ADMM`."""

    x: Tensor  # (N, d), the iterate, after the local solve
    dual: Tensor  # (N, d), y; sums to zero over the nodes
    center: Tensor  # (N, d), x^


@dataclass(frozen=True, eq=False)
class ADMM(Tunable[ADMMState]):
    r"""Over-relaxed consensus ADMM (r = 0, :math:`\alpha = \tfrac12`: Shi, Ling, Yuan, Wu, Yin 2014, IEEE TSP 62(7)).

    .. math::
        x_i^{k+1} &= \operatorname{prox}_{p_i (f_i + r)}(\hat x_i^k - p_i y_i^k),
                     \qquad p_i = 1 / (\rho |\mathcal N(i)|) \\
        d_i       &= \rho \textstyle\sum_{j \in \mathcal N(i)} (x_i^{k+1} - x_j^{k+1}) \\
        y_i^{k+1} &= y_i^k + \alpha d_i, \qquad y_i^0 = 0 \\
        \hat x_i^{k+1} &= \hat x_i^k + 2 \alpha (x_i^{k+1} - \tfrac12 p_i d_i - \hat x_i^k), \qquad \hat x_i^0 = x_i^0

    With a variable for each end of an edge, :math:`z_{ij}` at node i, it is

    .. math::
        x_i = \arg\min_x f_i(x) + r(x) + \textstyle\sum_j \tfrac\rho2 \|x - z_{ij} / \rho\|^2, \qquad
        z_{ij}^+ = (1 - \alpha) z_{ij} - \alpha (z_{ji} - 2 \rho x_j),

    of which a node needs the sum :math:`\sum_j z_{ij} = \rho |\mathcal N(i)| \hat x_i - y_i` only.

    This is Douglas-Rachford splitting: it converges for all convex f_i, every rho > 0 and alpha in (0, 1) (Eckstein,
    Bertsekas 1992). Costs one local solve and one exchange an iteration.

    Attributes:
        penalty: rho.
        relaxation: alpha.
    """

    name = "admm"
    label = "ADMM"
    dual = "dual"
    grid: ClassVar[Mapping[str, Range | Choice]] = {
        "penalty": Range(0.01, 10.0, unit="curvature"),
        "relaxation": Choice((0.8, 0.97)),
    }
    cost = Cost(rounds=1, vectors=1, solves=1)
    #: Accelerated prox-gradient steps of a local solve; ``None`` for exact ones.
    local_steps: ClassVar[int | None] = None

    penalty: float | Tensor
    relaxation: float | Tensor

    def init(self, problem: Problem, network: Network, x0: Tensor) -> ADMMState:
        return ADMMState(x=x0, dual=torch.zeros_like(x0), center=x0)

    def step(self, problem: Problem, network: Network, state: ADMMState) -> ADMMState:
        # A node without neighbours has one of itself, so that its steps are those of the proximal point method.
        weight = self.penalty * network.degree.to(state.x).clamp(min=1)
        x = problem.local_solve(state.center - state.dual / weight, weight, state.x, steps=self.local_steps)
        apart = self.penalty * network.collect(network.differences(x))
        dual, center = relax(state.dual, state.center, x, apart, weight, self.relaxation)
        return ADMMState(x=x, dual=dual, center=center)


def relax(
    dual: Tensor, center: Tensor, x: Tensor, apart: Tensor, weight: Tensor, relaxation: float | Tensor
) -> tuple[Tensor, Tensor]:
    """Return the next y and x^ from the iterates and the sums d of their penalized differences, ``(N, d)`` each."""
    return dual + relaxation * apart, center + 2 * relaxation * (x - 0.5 * apart / weight - center)
