"""D^2, exact diffusion over stochastic gradients, with momentum."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted.stochastic_method import StochasticMethod
from gnn_l2o.problems import Problem


@dataclass(frozen=True, eq=False)
class D2State:
    """State of :class:`D2`."""

    x: Tensor  # (N, d), the iterate, after the prox
    correction: Tensor  # (N, d), z - psi, in units of a gradient
    m: Tensor  # (N, d), the average of the gradients
    iteration: int  # k


class D2(StochasticMethod[D2State]):
    r"""D² (Tang, Lian, Yan, Zhang, Liu 2018, arXiv:1803.07068) with momentum (Hu, Chen, Liu, Mao 2025,
    arXiv:2501.19082) and a prox.

    .. math::
        \psi^{k+1} &= x^k - \alpha_k m^{k+1} \\
        z^{k+1}    &= \tfrac12 (I + W)
            \Bigl(\psi^{k+1} + \tfrac{\alpha_k}{\alpha_{k-1}} (z^k - \psi^k)\Bigr), && z^0 = \psi^0 \\
        x^{k+1}    &= \operatorname{prox}_{\alpha_k r}(z^{k+1})

    m and alpha_k are those of :class:`.StochasticMethod`. Without momentum and decay it is :class:`.ProxED` over
    stochastic gradients, whence its prox; how much the nodes' data differ does not matter to its limits.
    :math:`z^k - \psi^k` is a step's worth of gradients, so it shrinks with the step; with its size left as it was, the
    decay itself would be an error. :math:`(I + W) / 2` stands for W because D² needs :math:`\lambda_{\min} > -1/3`.
    Costs one gradient, one prox and one mixing an iteration.

    Attributes:
        step_size: alpha.
        momentum: beta.
        decay: rho.
    """

    name = "d2"
    label = "D2"
    cost = Cost(rounds=1, vectors=1, gradients=1, proxes=1)

    def init(self, problem: Problem, network: Network, x0: Tensor) -> D2State:
        zero = torch.zeros_like(x0)
        return D2State(x=x0, correction=zero, m=zero, iteration=0)

    def step(self, problem: Problem, network: Network, state: D2State) -> D2State:
        alpha = self.step_size_at(state.iteration)
        m = self.average(state.m, problem.gradient(state.x))
        psi = state.x - alpha * m
        corrected = psi + alpha * state.correction
        z = 0.5 * (corrected + network.mix(corrected))
        return D2State(x=problem.prox(z, alpha), correction=(z - psi) / alpha, m=m, iteration=state.iteration + 1)
