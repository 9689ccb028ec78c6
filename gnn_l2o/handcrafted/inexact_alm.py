"""The inexact augmented Lagrangian method with accelerated inner steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.algorithms.tunable import Choice, Range, Tunable
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted.whole_number import check_whole
from gnn_l2o.problems import Problem


@dataclass(frozen=True, eq=False)
class InexactALMState:
    """State of :class:`InexactALM`."""

    x: Tensor  # (N, d), the iterate, after the prox
    y: Tensor  # (N, d), the dual variables of the last minimization; sum to zero over the nodes


@dataclass(frozen=True, eq=False)
class InexactALM(Tunable[InexactALMState]):
    r"""The augmented Lagrangian method, each minimization by T accelerated prox-gradient steps from the last iterate.

    .. math::
        x^{k+1} &\approx \arg\min_x \sum_i \bigl(f_i(x_i) + r(x_i)\bigr) + \langle y^k, x \rangle
                   + \tfrac{\rho}{2} \langle x, (I - W) x \rangle \\
        y^{k+1} &= y^k + \rho (I - W) x^{k+1}, \qquad y^0 = \rho (I - W) x^0

    It is the method underlying IDEAL (Arjevani, Bruna, Can, Gurbuzbalaban, Jegelka, Lin 2020, NeurIPS,
    arXiv:2006.06733), with accelerated steps inside and without acceleration of the multipliers, in composite form, and
    D-ripALM (Zhu, Wang, Liang, Yang 2026, arXiv:2602.06398) with a fixed number of inner steps in place of an error
    criterion and without a proximal term. The inner steps are those of FISTA (Beck, Teboulle 2009),

    .. math::
        v^0     &= u^0 = x^k, \qquad t_0 = 1 \\
        u^{s+1}_i &= \operatorname{prox}_{\eta_i r}\bigl(v^s_i
                   - \eta_i (\nabla f_i(v^s_i) + y^k_i + \rho ((I - W) v^s)_i)\bigr), \qquad
                   \eta_i = \frac{1}{L_i + 2 \rho (1 - w_{ii})} \\
        t_{s+1} &= \tfrac12 \bigl(1 + \sqrt{1 + 4 t_s^2}\bigr), \qquad
        v^{s+1} = u^{s+1} + \frac{t_s - 1}{t_{s+1}} (u^{s+1} - u^s), \qquad x^{k+1} = u^T

    with the step of every node from its own row (Gershgorin). As :math:`v^0 = x^k`, the exchange of the first inner
    step serves the update of y as well.

    Exact minimizations converge for any :math:`\rho`; with T steps of them it depends on T. Costs T gradients, T proxes
    and T mixings an iteration, so one gradient a round.

    Attributes:
        penalty: :math:`\rho`.
        inner_steps: T, a whole number.
    """

    name = "inexact_alm"
    label = "Inexact ALM"
    dual = "y"
    grid: ClassVar[Mapping[str, Range | Choice]] = {
        "penalty": Range(0.01, 3.0, unit="L"),
        "inner_steps": Choice((2, 4, 8, 16)),
    }

    penalty: float | Tensor
    inner_steps: float

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(self, "inner_steps", "inner steps")

    @property
    def cost(self) -> Cost:
        steps = int(self.inner_steps)
        return Cost(rounds=steps, vectors=steps, gradients=steps, proxes=steps)

    def init(self, problem: Problem, network: Network, x0: Tensor) -> InexactALMState:
        return InexactALMState(x=x0, y=torch.zeros_like(x0))

    def step(self, problem: Problem, network: Network, state: InexactALMState) -> InexactALMState:
        u = v = state.x
        curvature = problem.smoothness().to(v) + 2 * self.penalty * (1 - network.self_weight.to(v))
        flow = self.penalty * (v - network.mix(v))
        y = state.y + flow
        last = 1.0
        for remaining in range(int(self.inner_steps) - 1, -1, -1):
            new = problem.prox(v - (problem.gradient(v) + y + flow) / curvature, 1 / curvature)
            if remaining:
                t = 0.5 * (1 + (1 + 4 * last**2) ** 0.5)
                v = new + (last - 1) / t * (new - u)
                flow = self.penalty * (v - network.mix(v))
                last = t
            u = new
        return InexactALMState(x=u, y=y)
