"""Gradient tracking over directed graphs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.algorithms.tunable import STEP_SIZE, Choice, Range, Tunable
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Problem


@dataclass(frozen=True, eq=False)
class PushDIGingState:
    """State of :class:`PushDIGing`."""

    x: Tensor  # (N, d), the iterate, u / phi
    u: Tensor  # (N, d), the sum of the shares that came in
    phi: Tensor  # (N, 1), how much of all shares that is
    tracker: Tensor  # (N, d), y, of the shares of the gradient
    gradient: Tensor  # (N, d), grad f(x)


@dataclass(frozen=True, eq=False)
class PushDIGing(Tunable[PushDIGingState]):
    r"""Push-DIGing (Nedić, Olshevsky, Shi 2017, SIAM J. Optim. 27(4), arXiv:1607.03218, Algorithm 2).

    .. math::
        u^{k+1}    &= C (u^k - \alpha y^k)                             && u^0 = x^0 \\
        \phi^{k+1} &= C \phi^k                                         && \phi^0 = 1 \\
        x^{k+1}    &= \operatorname{Diag}(\phi^{k+1})^{-1} u^{k+1} \\
        y^{k+1}    &= C y^k + \nabla f(x^{k+1}) - \nabla f(x^k)        && y^0 = \nabla f(x^0)

    C is the column-stochastic matrix of :meth:`.PushSum.push` (the paper's Assumption 7), :math:`\phi` the paper's v.
    It runs over directed graphs, and over undirected ones; with a doubly stochastic C, :math:`\phi` stays 1. The sum
    over the nodes of y is that of the gradients, so a fixed point is a consensus on a solution.

    Step size: the paper proves linear convergence for strongly convex f_i and a small enough :math:`\alpha` (Theorem
    18). Costs one gradient and two pushed vectors an iteration, :math:`\phi` as a number with one of them, and one
    gradient at the start.

    Attributes:
        step_size: alpha.
    """

    name = "push_diging"
    label = "Push-DIGing"
    grid: ClassVar[Mapping[str, Range | Choice]] = {"step_size": STEP_SIZE}
    composite = False
    directed = True
    cost = Cost(rounds=2, vectors=2, numbers=1, gradients=1)
    setup_cost = Cost(gradients=1)

    step_size: float | Tensor

    def init(self, problem: Problem, network: Network, x0: Tensor) -> PushDIGingState:
        gradient = problem.gradient(x0)
        return PushDIGingState(x=x0, u=x0, phi=torch.ones_like(x0[:, :1]), tracker=gradient, gradient=gradient)

    def step(self, problem: Problem, network: Network, state: PushDIGingState) -> PushDIGingState:
        moved = state.u - self.step_size * state.tracker
        u, mixed, phi = network.push(moved, state.tracker, numbers=state.phi)
        x = u / phi
        gradient = problem.gradient(x)
        return PushDIGingState(x=x, u=u, phi=phi, tracker=mixed + gradient - state.gradient, gradient=gradient)
