"""Local updates along tracked gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.decentralized.wrapper import Wrapper
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Problem


@dataclass(frozen=True, eq=False)
class TrackedState:
    """State of :class:`Tracked`."""

    x: Tensor  # (N, d), the iterate
    c: Tensor  # (N, d), the tracker less the node's gradient; sums to zero over the nodes
    memory: Any  # of the local update


@dataclass(frozen=True, eq=False)
class Tracked(Wrapper[TrackedState]):
    r"""Every node takes a local update along an estimate of the mean gradient, and nodes average what they get.

    .. math::
        y_i^k     &= \nabla f_i(x_i^k) + c_i^k                                       && \text{the tracker} \\
        x_i^{k+1} &= \sum_j w_{ij} \bigl(x_j^k + \Delta_j(y_j^k)\bigr) \\
        c_i^{k+1} &= \sum_j w_{ij} y_j^k - \nabla f_i(x_i^k),                        && c^0 = 0

    The tracker is that of gradient tracking, :math:`y^{k+1} = W y^k + \nabla f(x^{k+1}) - \nabla f(x^k)` (Xu et al.
    2015, CDC; Di Lorenzo, Scutari 2016, IEEE TSIPN, arXiv:1602.00591), written by its difference c from the gradient,
    so that one node has c = 0 exactly. With a gradient step it is :class:`.ATCTracking` up to the order of the mixing.
    Costs one gradient and two mixings an iteration.

    **Fixed points.** A consensus at a solution, with :math:`y = 0`, is one if and only if :math:`\Delta = 0` after
    gradients that were all 0 (:attr:`.LocalUpdate.preserves_zero`). Networks whose output has a bias, and weight decay,
    break this. That it is a fixed point does not mean that iterates converge to it: sign descent with a constant step
    goes on to jump around it.

    Attributes:
        update: what every node does with the tracker.
        prox_step: see :class:`.Wrapper`.

    Example:
        >>> from gnn_l2o.local_updates import SGDm
        >>> Tracked(SGDm(step_size=0.1)).cost.vectors
        2
    """

    name = "tracked"
    dual: ClassVar[str | None] = "c"

    @property
    def cost(self) -> Cost:
        return Cost(rounds=2, vectors=2, gradients=1, proxes=self.proxes)

    def init(self, problem: Problem, network: Network, x0: Tensor) -> TrackedState:
        return TrackedState(x=x0, c=torch.zeros_like(x0), memory=self.update.init(x0, problem.shapes))

    def step(self, problem: Problem, network: Network, state: TrackedState) -> TrackedState:
        gradient = self.gradient(problem, state.x)
        tracker = gradient + state.c
        moved, memory = self.update.move(tracker, state.x, state.memory)
        x = self.regularized(problem, network.mix(moved))
        return TrackedState(x=x, c=network.mix(tracker) - gradient, memory=memory)
