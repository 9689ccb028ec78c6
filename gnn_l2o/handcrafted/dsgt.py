"""Distributed stochastic gradient tracking with momentum."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted.stochastic_method import StochasticMethod
from gnn_l2o.problems import Problem


@dataclass(frozen=True, eq=False)
class DSGTState:
    """State of :class:`DSGT`."""

    x: Tensor  # (N, d), the iterate
    y: Tensor  # (N, d), the tracker of the mean of m
    m: Tensor  # (N, d), the average of the gradients
    iteration: int  # k


class DSGT(StochasticMethod[DSGTState]):
    r"""DSGT (Pu, Nedić 2021, Math. Program. 187, arXiv:1805.11454) with a prox, tracking momentum as Momentum Tracking
    does (Takezawa et al. 2023, TMLR, arXiv:2209.15505).

    .. math::
        y^{k+1} &= W y^k + m^{k+1} - m^k, && y^0 = 0 \\
        x^{k+1} &= \operatorname{prox}_{\alpha_k r}\bigl(W (x^k - \alpha_k y^{k+1})\bigr)

    m and alpha_k are those of :class:`.StochasticMethod`; the prox is ours. The mean of the y_i is always that of the
    m_i. Without momentum, decay and regularizer it is :class:`.ATCTracking` over stochastic gradients. (Momentum
    Tracking's c is m - y here.) Costs one gradient, one prox and two mixings an iteration.

    Attributes:
        step_size: alpha.
        momentum: beta.
        decay: rho.
    """

    name = "dsgt"
    label = "DSGT"
    cost = Cost(rounds=2, vectors=2, gradients=1, proxes=1)

    def init(self, problem: Problem, network: Network, x0: Tensor) -> DSGTState:
        zero = torch.zeros_like(x0)
        return DSGTState(x=x0, y=zero, m=zero, iteration=0)

    def step(self, problem: Problem, network: Network, state: DSGTState) -> DSGTState:
        alpha = self.step_size_at(state.iteration)
        m = self.average(state.m, problem.gradient(state.x))
        y = network.mix(state.y) + m - state.m
        x = problem.prox(network.mix(state.x - alpha * y), alpha)
        return DSGTState(x=x, y=y, m=m, iteration=state.iteration + 1)
