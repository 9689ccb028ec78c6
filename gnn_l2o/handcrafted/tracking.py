"""What the methods that track the average gradient share."""

from __future__ import annotations

from abc import abstractmethod
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
class TrackingState:
    """State of :class:`Tracking`."""

    x: Tensor  # (N, d), the iterate, after the prox
    u: Tensor  # (N, d), the same before the prox
    last: Tensor  # (N, d), the iterate before
    descent: Tensor  # (N, d), alpha grad f there
    first: bool  # whether the first step is still to come


@dataclass(frozen=True, eq=False)
class Tracking(Tunable[TrackingState]):
    r"""Gradient tracking with a prox, by Alghunaim, Ryu, Yuan, Sayed 2021 (IEEE TAC 66(6), arXiv:1909.06479).

    With matrices A and C of the method, B = I - W, and a dual variable y, their form is

    .. math::
        z^{k+1} &= (I - C) x^k - \alpha \nabla f(x^k) - B y^k \\
        y^{k+1} &= y^k + B z^{k+1} \\
        x^{k+1} &= \operatorname{prox}_{\alpha r}(A z^{k+1})

    The difference of two iterations, multiplied by A, is free of y; with :math:`u^k = A z^k` and differences
    :math:`\Delta^k` of an iteration to the one before,

    .. math::
        u^{k+1} = (2 W - W^2) u^k + A \bigl((I - C) \Delta x^k - \alpha \Delta \nabla f(x^k)\bigr),
        \qquad x^{k+1} = \operatorname{prox}_{\alpha r}(u^{k+1})

    which is two mixings. :math:`\sum_i u_i^{k+1} - x_i^k + \alpha \nabla f_i(x_i^k)` never changes, and is zero from
    the start; so a fixed point, where :math:`(I - W)^2 u = 0`, is a consensus on a solution. The first step is that of
    the method without a regularizer, whose tracker starts at the local gradients; it takes one mixing. (In the form
    with y this is a choice of :math:`y^0`.)

    Costs one gradient, one prox and two mixings an iteration, the first one mixing less.

    Attributes:
        step_size: alpha.
    """

    grid: ClassVar[Mapping[str, Range | Choice]] = {"step_size": STEP_SIZE}
    cost = Cost(rounds=2, vectors=2, gradients=1, proxes=1)
    setup_cost = Cost(rounds=-1, vectors=-1)

    step_size: float | Tensor

    def init(self, problem: Problem, network: Network, x0: Tensor) -> TrackingState:
        return TrackingState(x=x0, u=x0, last=x0, descent=torch.zeros_like(x0), first=True)

    def step(self, problem: Problem, network: Network, state: TrackingState) -> TrackingState:
        x = state.x
        descent = self.step_size * problem.gradient(x)
        if state.first:
            u = self._first(network, x, descent)
        else:
            u = self._next(network, state.u, x - state.last, descent - state.descent)
        return TrackingState(x=problem.prox(u, self.step_size), u=u, last=x, descent=descent, first=False)

    @abstractmethod
    def _first(self, network: Network, x: Tensor, descent: Tensor) -> Tensor:
        r"""Return :math:`u^1`; ``descent`` is :math:`\alpha \nabla f(x)`, all ``(N, d)``."""

    @abstractmethod
    def _next(self, network: Network, u: Tensor, moved: Tensor, change: Tensor) -> Tensor:
        r"""Return :math:`u^{k+1}`, all ``(N, d)``.

        Args:
            network: that mixes.
            u: :math:`u^k`.
            moved: :math:`\Delta x^k`.
            change: :math:`\alpha \Delta \nabla f(x^k)`.
        """
