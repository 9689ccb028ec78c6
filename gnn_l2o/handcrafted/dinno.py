"""DiNNO, consensus ADMM with a few gradient steps for its local solves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gnn_l2o.algorithms.tunable import Choice, Range
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted.local_steps import LocalSteps
from gnn_l2o.problems import Problem


@dataclass(frozen=True, eq=False)
class DiNNOState:
    """State of :class:`DiNNO`."""

    x: Tensor  # (N, d), the iterate
    dual: Tensor  # (N, d), p; sums to zero over the nodes


@dataclass(frozen=True, eq=False)
class DiNNO(LocalSteps[DiNNOState]):
    r"""DiNNO with gradient steps (Yu, Vincent, Schwager 2022, IEEE RA-L 7(2), arXiv:2109.08665), for smooth problems.

    .. math::
        p_i^{k+1} &= p_i^k + \rho \textstyle\sum_{j \in \mathcal N(i)} (x_i^k - x_j^k), \qquad p_i^0 = 0 \\
        \psi_i^0  &= x_i^k, \qquad \psi_i^{t+1} = \psi_i^t - \alpha h_i(\psi_i^t), \qquad x_i^{k+1} = \psi_i^K \\
        h_i(\psi) &= \nabla \bigl(f_i(\psi) + \langle p_i^{k+1}, \psi \rangle
                     + \rho \textstyle\sum_j \|\psi - \tfrac12 (x_i^k + x_j^k)\|^2\bigr) \\
                  &= \nabla f_i(\psi) + p_i^{k+1} + \rho \textstyle\sum_j (x_i^k - x_j^k)
                     + 2 \rho |\mathcal N(i)| (\psi - x_i^k)

    That is consensus ADMM, :class:`.ADMM` with relaxation 1/2 and the penalty 2 rho, whose local solve is K steps of
    a first-order optimizer from the last iterate, each on a mini-batch of its own. The paper leaves the optimizer open;
    :class:`.DiNNOAdam` has Adam. The penalty is constant here, as in the paper's algorithm. The authors' code can
    multiply it by a factor in every round, with which no step size would be stable for ever. The recursion was written
    down from memory of the paper; the public code was read for the penalty and the options of its optimizer only.

    With exact gradients the fixed points are the solutions. Local steps are stable for
    :math:`\alpha < 2 / (L + 2 \rho \max_i |\mathcal N(i)|)`. Costs K gradients and one exchange an iteration.

    Attributes:
        step_size: alpha.
        penalty: rho.
        local_steps: K, a whole number.
    """

    name = "dinno"
    label = "DiNNO"
    dual = "dual"
    composite = False
    grid: ClassVar[Mapping[str, Range | Choice]] = {
        "step_size": Range(0.1, 1.5, unit="1/L"),
        "penalty": Range(0.003, 0.3, points=3, unit="L"),
        "local_steps": Choice((2, 8)),
    }

    step_size: float | Tensor
    penalty: float | Tensor
    local_steps: float

    def init(self, problem: Problem, network: Network, x0: Tensor) -> DiNNOState:
        return DiNNOState(x=x0, dual=torch.zeros_like(x0))

    def step(self, problem: Problem, network: Network, state: DiNNOState) -> DiNNOState:
        objective = LocalObjective.of(problem, network, state.x, state.dual, self.penalty)
        x = state.x
        for t in range(int(self.local_steps)):
            x = x - self.step_size * objective.gradient(t, x)
        return DiNNOState(x=x, dual=objective.dual)


@dataclass(frozen=True, eq=False)
class LocalObjective:
    """What every node minimizes between two exchanges.

    Attributes:
        problem: the draw of the iteration.
        x: the iterate of the last exchange, ``(N, d)``.
        dual: p after the exchange, ``(N, d)``.
        flow: rho times the sums of the differences to the neighbours, ``(N, d)``.
        weight: twice rho times the number of neighbours, ``(N, 1)``.
    """

    problem: Problem
    x: Tensor
    dual: Tensor
    flow: Tensor
    weight: Tensor

    @classmethod
    def of(cls, problem: Problem, network: Network, x: Tensor, dual: Tensor, penalty: float | Tensor) -> LocalObjective:
        """Exchange x, and return the objectives with the next dual variables."""
        flow = penalty * network.collect(network.differences(x))
        return cls(problem, x, dual + flow, flow, 2 * penalty * network.degree.to(x))

    def gradient(self, step: int, at: Tensor) -> Tensor:
        """Return h of a local step, on the samples of that step: ``(N, d)`` to ``(N, d)``."""
        local = self.problem.local_draw(step).gradient(at)
        return local + self.dual + self.flow + self.weight * (at - self.x)
