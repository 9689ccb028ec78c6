"""Gradient tracking with a prox over directed graphs."""

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
class SONATAState:
    """State of :class:`SONATA`."""

    x: Tensor  # (N, d), the iterate
    phi: Tensor  # (N, 1), how much of all shares has come in
    tracker: Tensor  # (N, d), y, of the mean gradient
    gradient: Tensor  # (N, d), grad f(x)


@dataclass(frozen=True, eq=False)
class SONATA(Tunable[SONATAState]):
    r"""SONATA with linearized losses (Sun, Daneshmand, Scutari 2022, SIAM J. Optim. 32(2), arXiv:1905.02637).

    It is Algorithm 3 there, (73a)-(73d), whose form for nonconvex f_i is by Scutari, Sun 2019 (Math. Program.,
    arXiv:1809.01106):

    .. math::
        z_i^k         &= \operatorname{prox}_{\alpha r}(x_i^k - \alpha y_i^k)          && (73a), (73b) \\
        \phi_i^{k+1}  &= \textstyle\sum_j c_{ij} \phi_j^k, \qquad
        x_i^{k+1} = \textstyle\sum_j c_{ij} \phi_j^k z_j^k / \phi_i^{k+1}              && (73c) \\
        y_i^{k+1}     &= \textstyle\sum_j c_{ij} \bigl(\phi_j^k y_j^k + \nabla f_j(x_j^{k+1}) - \nabla f_j(x_j^k)\bigr)
                         / \phi_i^{k+1}                                                && (73d)

    from :math:`\phi^0 = 1`, :math:`y^0 = \nabla f(x^0)`. C is the column-stochastic matrix of :meth:`.PushSum.push`. In
    (73a) the paper minimizes a surrogate of the loss, which is here :math:`f_i` linearized, plus
    :math:`\tfrac{1}{2 \alpha} \|x - x_i^k\|^2`; that gives the prox. In (73b) the paper goes a part of the way from x
    to there, here the whole of it: half of it, with its best :math:`\alpha`, took about as many iterations on seven
    directed and undirected graphs. It runs over both.

    Step size: the paper proves linear convergence for a strongly convex average of the f_i and a small enough part in
    (73b) (Theorem 4.5). Costs one gradient, one prox and two pushed vectors an iteration, :math:`\phi` as a number with
    one of them, and one gradient at the start.

    Attributes:
        step_size: alpha.
    """

    name = "sonata"
    label = "SONATA"
    grid: ClassVar[Mapping[str, Range | Choice]] = {"step_size": STEP_SIZE}
    directed = True
    cost = Cost(rounds=2, vectors=2, numbers=1, gradients=1, proxes=1)
    setup_cost = Cost(gradients=1)

    step_size: float | Tensor

    def init(self, problem: Problem, network: Network, x0: Tensor) -> SONATAState:
        gradient = problem.gradient(x0)
        return SONATAState(x=x0, phi=torch.ones_like(x0[:, :1]), tracker=gradient, gradient=gradient)

    def step(self, problem: Problem, network: Network, state: SONATAState) -> SONATAState:
        moved = problem.prox(state.x - self.step_size * state.tracker, self.step_size)
        shares, phi = network.push(state.phi * moved, numbers=state.phi)
        x = shares / phi
        gradient = problem.gradient(x)
        (tracked,) = network.push(state.phi * state.tracker + gradient - state.gradient)
        return SONATAState(x=x, phi=phi, tracker=tracked / phi, gradient=gradient)
