"""The primal-dual method of Condat and Vu."""

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
class CondatVuState:
    """State of :class:`CondatVu`."""

    x: Tensor  # (N, d), the iterate
    last: Tensor  # (N, d), the iterate before; x0 before the first step
    dual: Tensor  # (N, d), y an iteration ago; zero before the first step


@dataclass(frozen=True, eq=False)
class CondatVu(Tunable[CondatVuState]):
    r"""The method of Condat (2013, JOTA 158) and Vu (2013, Adv. Comput. Math. 38) for :math:`(I - W)^{1/2} x = 0`.

    .. math::
        y^0     &= \tfrac{s}{\tau} (I - W) x^0 \\
        x^{k+1} &= \operatorname{prox}_{\tau r}\bigl(x^k - \tau (\nabla f(x^k) + y^k)\bigr) \\
        y^{k+1} &= y^k + \tfrac{s}{\tau} (I - W) (2 x^{k+1} - x^k)

    The root never has to be taken, as it enters through its square in y. The dual step is :math:`\sigma = s / \tau`.
    With :math:`s = \frac12` the iteration is that of :class:`.PGExtra`; a weaker coupling allows longer steps.

    Step size: :math:`\tau L / 2 + s (1 - \lambda_{\min}(W)) \le 1` (Condat 2013). Where all f_i are the same quadratic,
    with r = 0, it converges while :math:`\tau L / 2 + \tfrac34 s (1 - \lambda_{\min}(W)) < 1` and diverges beyond.
    Costs one gradient, one prox and one mixing an iteration.

    Attributes:
        step_size: tau.
        dual_step: s, the dual step in units of 1 / tau.
    """

    name = "condat_vu"
    label = "Condat-Vu"
    dual = "dual"
    grid: ClassVar[Mapping[str, Range | Choice]] = {
        "step_size": Range(0.6, 20.0, unit="1/L"),
        "dual_step": Range(0.05, 0.7, points=3),
    }
    cost = Cost(rounds=1, vectors=1, gradients=1, proxes=1)

    step_size: float | Tensor
    dual_step: float | Tensor

    def init(self, problem: Problem, network: Network, x0: Tensor) -> CondatVuState:
        return CondatVuState(x=x0, last=x0, dual=torch.zeros_like(x0))  # 2 x - last = x0 makes the first dual y^0

    def step(self, problem: Problem, network: Network, state: CondatVuState) -> CondatVuState:
        x = state.x
        extrapolated = 2 * x - state.last
        dual = state.dual + self.dual_step / self.step_size * (extrapolated - network.mix(extrapolated))
        new = problem.prox(x - self.step_size * (problem.gradient(x) + dual), self.step_size)
        return CondatVuState(x=new, last=x, dual=dual)
