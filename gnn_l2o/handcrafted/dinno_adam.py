"""DiNNO with Adam for its local solves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gnn_l2o.algorithms.tunable import Choice, Range
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted.dinno import LocalObjective
from gnn_l2o.handcrafted.local_steps import LocalSteps
from gnn_l2o.problems import Problem

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
"""Of Adam (Kingma, Ba 2015, Algorithm 1), which torch has as defaults."""


@dataclass(frozen=True, eq=False)
class DiNNOAdamState:
    """State of :class:`DiNNOAdam`."""

    x: Tensor  # (N, d), the iterate
    dual: Tensor  # (N, d), p; sums to zero over the nodes
    m: Tensor  # (N, d), the first moment
    v: Tensor  # (N, d), the second
    steps: int  # local steps so far


@dataclass(frozen=True, eq=False)
class DiNNOAdam(LocalSteps[DiNNOAdamState]):
    r""":class:`.DiNNO` whose local steps are those of Adam (Kingma, Ba 2015, arXiv:1412.6980), as in its experiments.

    .. math::
        m &\leftarrow \beta_1 m + (1 - \beta_1) h_i(\psi_i^t), \qquad
        v \leftarrow \beta_2 v + (1 - \beta_2) h_i(\psi_i^t)^2 \\
        \psi_i^{t+1} &= \psi_i^t
            - \alpha \frac{m / (1 - \beta_1^s)}{\sqrt{v / (1 - \beta_2^s)} + \varepsilon}

    with s the number of this local step since the beginning. The moments stay from round to round, an option of the
    authors' code; with new ones each round the first local step would be alpha times the signs of h. The penalty is
    constant, see :class:`.DiNNO`.

    Steps do not shrink with h, so with constant alpha the method stops at a distance from the solution. Costs K
    gradients and one exchange an iteration.

    Attributes:
        step_size: alpha, about the largest move of a coordinate in a local step, in units of x.
        penalty: rho.
        local_steps: K, a whole number.
    """

    name = "dinno_adam"
    label = "DiNNO, Adam"
    dual = "dual"
    composite = False
    exact = False
    grid: ClassVar[Mapping[str, Range | Choice]] = {
        "step_size": Range(3e-4, 3e-2),
        "penalty": Range(0.001, 0.1, points=3, unit="L"),
        "local_steps": Choice((2, 8)),
    }

    step_size: float | Tensor
    penalty: float | Tensor
    local_steps: float

    def init(self, problem: Problem, network: Network, x0: Tensor) -> DiNNOAdamState:
        zero = torch.zeros_like(x0)
        return DiNNOAdamState(x=x0, dual=zero, m=zero, v=zero, steps=0)

    def step(self, problem: Problem, network: Network, state: DiNNOAdamState) -> DiNNOAdamState:
        objective = LocalObjective.of(problem, network, state.x, state.dual, self.penalty)
        x, m, v, steps = state.x, state.m, state.v, state.steps
        for t in range(int(self.local_steps)):
            steps += 1
            slope = objective.gradient(t, x)
            m = BETA1 * m + (1 - BETA1) * slope
            v = BETA2 * v + (1 - BETA2) * slope.square()
            root = (v / (1 - BETA2**steps)).sqrt()
            x = x - self.step_size * (m / (1 - BETA1**steps)) / (root + EPSILON)
        return DiNNOAdamState(x=x, dual=objective.dual, m=m, v=v, steps=steps)
