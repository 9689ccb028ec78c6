"""Decentralized stochastic gradient descent with momentum."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted.stochastic_method import StochasticMethod
from gnn_l2o.problems import Problem


@dataclass(frozen=True, eq=False)
class DSGDState:
    """State of :class:`DSGD`."""

    x: Tensor  # (N, d), the iterate
    m: Tensor  # (N, d), the average of the gradients
    iteration: int  # k


class DSGD(StochasticMethod[DSGDState]):
    r"""Decentralized SGD with momentum, adapt-then-combine (DmSGD in Yuan et al. 2021, arXiv:2104.11981), with a prox.

    .. math::
        x^{k+1} = \operatorname{prox}_{\alpha_k r}\bigl(W (x^k - \alpha_k m^{k+1})\bigr)

    m and alpha_k are those of :class:`.StochasticMethod`; the prox is ours. Without momentum and decay it is
    :class:`.Diffusion` over stochastic gradients, and has its error of the order of alpha besides the noise. Costs one
    gradient, one prox and one mixing an iteration.

    Attributes:
        step_size: alpha.
        momentum: beta.
        decay: rho.
    """

    name = "dsgd"
    label = "DSGD"
    exact = False
    cost = Cost(rounds=1, vectors=1, gradients=1, proxes=1)

    def init(self, problem: Problem, network: Network, x0: Tensor) -> DSGDState:
        return DSGDState(x=x0, m=torch.zeros_like(x0), iteration=0)

    def step(self, problem: Problem, network: Network, state: DSGDState) -> DSGDState:
        alpha = self.step_size_at(state.iteration)
        m = self.average(state.m, problem.gradient(state.x))
        x = problem.prox(network.mix(state.x - alpha * m), alpha)
        return DSGDState(x=x, m=m, iteration=state.iteration + 1)
