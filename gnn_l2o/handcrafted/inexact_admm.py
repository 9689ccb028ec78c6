"""Inexact consensus ADMM."""

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
class InexactADMMState:
    """State of :class:`InexactADMM`."""

    x: Tensor  # (N, d), the iterate
    last: Tensor  # (N, d), the iterate before; x0 before the first step
    q: Tensor  # (N, d), q an iteration ago; zero before the first step


@dataclass(frozen=True, eq=False)
class InexactADMM(Tunable[InexactADMMState]):
    r"""Inexact consensus ADMM (Chang, Hong, Wang 2015, IEEE TSP 63(2), arXiv:1402.6065): f linearized at the iterate.

    .. math::
        x_i^{k+1} &= \operatorname{prox}_{r / b_i}\Bigl(\tfrac{1}{b_i} \bigl(\beta x_i^k - \nabla f_i(x_i^k) - p_i^k
                     + \rho \textstyle\sum_{j \in \mathcal N(i)} (x_i^k + x_j^k)\bigr)\Bigr),
                     \qquad b_i = \beta + 2 \rho |\mathcal N(i)| \\
        p_i^{k+1} &= p_i^k + \rho \textstyle\sum_{j \in \mathcal N(i)} (x_i^{k+1} - x_j^{k+1}),
                     \qquad p_i^0 = 0

    With r = 0 it is DLM (Ling, Shi, Wu, Ribeiro 2015, IEEE TSP 63(15)). The dual and the neighbours act through
    :math:`q = p + \rho \mathcal L x` only, :math:`\mathcal L` the graph's Laplacian (degrees less adjacency), since
    :math:`\sum_j (x_i + x_j) = 2 |\mathcal N(i)| x_i - (\mathcal L x)_i`. Written in q it takes one exchange,

    .. math::
        q^k       &= q^{k-1} + \rho \mathcal L (2 x^k - x^{k-1}), \qquad q^0 = \rho \mathcal L x^0 \\
        x_i^{k+1} &= \operatorname{prox}_{r / b_i}\bigl(x_i^k - (\nabla f_i(x_i^k) + q_i^k) / b_i\bigr),

    and is :class:`.CondatVu` with the Laplacian for I - W and a step of every node's own.

    Step size: :math:`1 / \beta < 2 / L`, whatever network and penalty: by that likeness
    :math:`\beta + \rho \lambda_{\min}(D + \mathcal A) > L / 2` is enough, with D the degrees and :math:`\mathcal A` the
    adjacency matrix, and that eigenvalue is not negative. Where all f_i are the same quadratic, with r = 0, and all
    nodes have n neighbours, it converges while
    :math:`\beta + 2 \rho n - \tfrac34 \rho \lambda_{\max}(\mathcal L) > L / 2` and diverges beyond. Costs one gradient,
    one prox and one exchange an iteration.

    Attributes:
        step_size: :math:`1 / \beta`, the step of a node without neighbours.
        penalty: rho.
    """

    name = "inexact_admm"
    label = "IC-ADMM"
    dual = "q"
    grid: ClassVar[Mapping[str, Range | Choice]] = {
        "step_size": Range(1.5, 40.0, unit="1/L"),
        "penalty": Range(0.0005, 0.4, points=4, unit="L"),
    }
    cost = Cost(rounds=1, vectors=1, gradients=1, proxes=1)

    step_size: float | Tensor
    penalty: float | Tensor

    def init(self, problem: Problem, network: Network, x0: Tensor) -> InexactADMMState:
        return InexactADMMState(x=x0, last=x0, q=torch.zeros_like(x0))  # 2 x - last = x0 makes the next q q^0

    def step(self, problem: Problem, network: Network, state: InexactADMMState) -> InexactADMMState:
        x = state.x
        q = state.q + self.penalty * network.collect(network.differences(2 * x - state.last))
        step = 1 / (1 / self.step_size + 2 * self.penalty * network.degree.to(x))
        new = problem.prox(x - step * (problem.gradient(x) + q), step)
        return InexactADMMState(x=new, last=x, q=q)
