"""The accelerated proximal alternating predictor-corrector method."""

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
class APAPCState:
    """State of :class:`APAPC`."""

    x: Tensor  # (N, d), the iterate
    average: Tensor  # (N, d), u, where the momentum is
    dual: Tensor  # (N, d), y


@dataclass(frozen=True, eq=False)
class APAPC(Tunable[APAPCState]):
    r"""APAPC (Kovalev, Salim, Richtarik 2020, NeurIPS, arXiv:2006.11773).

    .. math::
        v^k         &= \tau x^k + (1 - \tau) u^k \\
        x^{k + 1/2} &= x^k - \eta \nabla f(v^k) - y^k \\
        y^{k+1}     &= y^k + \sigma P x^{k + 1/2} \\
        x^{k+1}     &= x^k - \eta \nabla f(v^k) - y^{k+1} \\
        u^{k+1}     &= v^k + \tfrac{2 \tau}{2 - \tau} (x^{k+1} - x^k),
                    && u^0 = x^0, \; y^0 = 0

    P = (I - W) / :math:`(1 - \lambda_N)`, whose largest eigenvalue is 1; :math:`\lambda_N` is the smallest eigenvalue
    of W, or 0 if that is positive. The u are the paper's :math:`x_f`, v its :math:`x_g`, and y is :math:`\eta` times
    its dual variable. The paper adds the strong convexity :math:`\alpha` of the f_i, by :math:`\nabla f(v) - \alpha v`
    and the factor :math:`1 / (1 + \eta\alpha)` in both steps. Here it is zero, as where nodes have fewer samples than
    coordinates; the fixed points are the same.

    The paper, for f_i of smoothness L and strong convexity mu: :math:`\eta = 1 / (4 \tau L)`, :math:`\sigma = 1`,
    :math:`\tau = \min(1, \frac12 \sqrt{\chi\mu / L})`, :math:`\chi` the ratio of the largest to the smallest positive
    eigenvalue of P. Where f = 0 it converges while :math:`\sigma < \frac43` and diverges beyond. Costs one gradient and
    one mixing an iteration.

    Attributes:
        step_size: :math:`\tau\eta`, the step of the average.
        coupling: tau, the weight of the newest iterate in v.
        dual_step: sigma.
    """

    name = "apapc"
    label = "APAPC"
    dual = "dual"
    grid: ClassVar[Mapping[str, Range | Choice]] = {
        "step_size": Range(0.6, 4.8, unit="1/L", points=4),
        "coupling": Range(0.2, 0.5, points=2, below=1.0),
        "dual_step": Range(1.0, 1.3, points=2, open=False),
    }
    composite = False
    setup_knowledge = frozenset({"min_eigenvalue"})

    step_size: float | Tensor
    coupling: float | Tensor
    dual_step: float | Tensor

    @property
    def cost(self) -> Cost:
        return Cost(rounds=1, vectors=1, gradients=1)

    def init(self, problem: Problem, network: Network, x0: Tensor) -> APAPCState:
        return APAPCState(x=x0, average=x0, dual=torch.zeros_like(x0))

    def step(self, problem: Problem, network: Network, state: APAPCState) -> APAPCState:
        x, tau = state.x, self.coupling
        point = tau * x + (1 - tau) * state.average
        predicted = x - self.step_size / tau * problem.gradient(point) - state.dual
        change = self.dual_step * self._disagreement(network, predicted)
        new = predicted - change
        average = point + 2 * tau / (2 - tau) * (new - x)
        return APAPCState(x=new, average=average, dual=state.dual + change)

    def _disagreement(self, network: Network, x: Tensor) -> Tensor:
        """Return P x, ``(N, d)``."""
        return (x - network.mix(x)) / network.at_nodes(1 - network.min_eigenvalue)
