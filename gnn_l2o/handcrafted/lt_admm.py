"""Local training ADMM."""

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
class LTADMMState:
    """State of :class:`LTADMM`."""

    x: Tensor  # (N, d), the iterate
    y: Tensor  # (N, d), half the sum of the flows before the last one; sums to zero over the nodes
    flow: Tensor  # (N, d), the graph's Laplacian times the iterate; zero before the first step


@dataclass(frozen=True, eq=False)
class LTADMM(LocalSteps[LTADMMState]):
    r"""LT-ADMM (Ren, Bastianello, Johansson, Parisini 2024, arXiv:2407.08331; arXiv:2501.13516), for smooth problems.

    The prox of distributed ADMM is replaced by K gradient steps, in which the contribution of the neighbours is fixed:

    .. math::
        \phi_i^0 &= x_i^k, \qquad
        \phi_i^{t+1} = \phi_i^t - \gamma \nabla f_i(\phi_i^t)
            - \beta \bigl(\rho |\mathcal N(i)| x_i^k - \textstyle\sum_{j \in \mathcal N(i)} z_{ij}^k\bigr), \qquad
        x_i^{k+1} = \phi_i^K \\
        z_{ij}^{k+1} &= \tfrac12 (z_{ij}^k - z_{ji}^k) + \rho x_j^{k+1}

    The part of z that changes its sign with the direction of the edge acts through its sum at the node only, and
    :math:`\beta` and :math:`\rho` through their product only. With the graph's Laplacian :math:`\mathcal L` and
    :math:`c = K \beta \rho` the recursion is, from equal initial points,

    .. math::
        \phi^{t+1} &= \phi^t - \gamma \nabla f(\phi^t) - \tfrac{c}{K} (\mathcal L x^k + y^k) \\
        y^{k+1}    &= y^k + \tfrac12 \mathcal L x^k, \qquad y^0 = 0

    which takes one exchange. Nodes that start at different points leave :math:`\mathcal L x^0` out.

    The papers show convergence for small enough steps. Where f = 0 it is a consensus iteration, stable while
    :math:`c\, \lambda_{\max}(\mathcal L) < 8 / 3`. Costs K gradients and one exchange an iteration.

    Attributes:
        step_size: :math:`\gamma`.
        coupling: c, the weight of the neighbours in all local steps together.
        local_steps: K, a whole number.
    """

    name = "lt_admm"
    label = "LT-ADMM"
    dual = "y"
    composite = False
    grid: ClassVar[Mapping[str, Range | Choice]] = {
        "step_size": Range(0.1, 2.0, unit="1/L"),
        "coupling": Range(0.03, 0.3, points=3),
        "local_steps": Choice((4, 16)),
    }

    step_size: float | Tensor
    coupling: float | Tensor
    local_steps: float

    def init(self, problem: Problem, network: Network, x0: Tensor) -> LTADMMState:
        zero = torch.zeros_like(x0)
        return LTADMMState(x=x0, y=zero, flow=zero)

    def step(self, problem: Problem, network: Network, state: LTADMMState) -> LTADMMState:
        x = state.x
        correction = self.coupling / self.local_steps * (state.flow + state.y)
        for t in range(int(self.local_steps)):
            x = x - self.step_size * problem.local_draw(t).gradient(x) - correction
        flow = network.collect(network.differences(x))
        return LTADMMState(x=x, y=state.y + 0.5 * state.flow, flow=flow)
