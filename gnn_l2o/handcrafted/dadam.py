"""DAdam, a decentralized adaptive moment method."""

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

# The defaults of the authors' code (Tarzanagh/DADAM).
BETA1, BETA2, BETA3 = 0.9, 0.999, 0.9
EPSILON = 1e-4


@dataclass(frozen=True, eq=False)
class DAdamState:
    """State of :class:`DAdam`; the moments are squares where the gradient is squared."""

    x: Tensor  # (N, d), the iterate
    m: Tensor  # (N, d), the first moment
    v: Tensor  # (N, d), the second
    v_hat: Tensor  # (N, d), the third


@dataclass(frozen=True, eq=False)
class DAdam(Tunable[DAdamState]):
    r"""DAdam, once DADAM (Nazari, Tarzanagh, Michailidis 2022, IEEE TSP, arXiv:1901.09109), for smooth problems.

    .. math::
        m^{k+1}       &= \beta_1 m^k + (1 - \beta_1) \nabla f(x^k) \\
        v^{k+1}       &= \beta_2 v^k + (1 - \beta_2) \nabla f(x^k)^2 \\
        \hat v^{k+1}  &= \beta_3 \hat v^k + (1 - \beta_3) \max(\hat v^k, v^{k+1}) \\
        x^{k+1}       &= W x^k - \alpha\, m^{k+1} / (\sqrt{\hat v^{k+1}} + \varepsilon)

    with all moments 0 at the start, and operations on vectors by coordinates. The three beta and epsilon are the
    defaults of the authors' code, which agrees with the moments and with the step after the mixing, but corrects m and
    v for their start at 0 and, although it computes :math:`\hat v`, divides by :math:`\sqrt v`. That the method divides
    by :math:`\sqrt{\hat v}` is what its third moment is for; the paper's own listing was not at hand.

    Every node scales its step by its own gradients, so with a constant alpha it stops at a distance from the solution,
    which grows with alpha, and even for small alpha is not zero: the nodes' weights of the mean differ. Costs one
    gradient and one mixing an iteration.

    Attributes:
        step_size: alpha, roughly the largest move of a coordinate in an iteration, and so in units of x.
    """

    name = "dadam"
    label = "DAdam"
    grid: ClassVar[Mapping[str, Range | Choice]] = {"step_size": Range(1e-4, 1.0)}
    composite = False
    exact = False
    cost = Cost(rounds=1, vectors=1, gradients=1)

    step_size: float | Tensor

    def init(self, problem: Problem, network: Network, x0: Tensor) -> DAdamState:
        zero = torch.zeros_like(x0)
        return DAdamState(x=x0, m=zero, v=zero, v_hat=zero)

    def step(self, problem: Problem, network: Network, state: DAdamState) -> DAdamState:
        gradient = problem.gradient(state.x)
        m = BETA1 * state.m + (1 - BETA1) * gradient
        v = BETA2 * state.v + (1 - BETA2) * gradient.square()
        v_hat = BETA3 * state.v_hat + (1 - BETA3) * torch.maximum(state.v_hat, v)
        x = network.mix(state.x) - self.step_size * m / (v_hat.sqrt() + EPSILON)
        return DAdamState(x=x, m=m, v=v, v_hat=v_hat)
