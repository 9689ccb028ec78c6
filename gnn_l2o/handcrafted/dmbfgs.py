"""Gradient tracking with local quasi-Newton directions."""

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

DAMPED = 0.2
"""The smallest curvature of a pair, relative to delta (Nocedal, Wright 2006, Procedure 18.2)."""


@dataclass(frozen=True, eq=False)
class DMBFGSState:
    """State of :class:`DMBFGS`."""

    x: Tensor  # (N, d), the iterate
    tracker: Tensor  # (N, d), v, of the mean gradient
    gradient: Tensor  # (N, d), grad f(x)
    moved: Tensor  # (N, d), the last change of x; zero before the first step
    change: Tensor  # (N, d), the change of the gradient with it


@dataclass(frozen=True, eq=False)
class DMBFGS(Tunable[DMBFGSState]):
    r"""Decentralized memoryless BFGS (after DMBFGS of Wang, Wu, Zhang 2024, arXiv:2409.07122).

    .. math::
        x^{k+1} &= W \bigl(x^k - a H^k v^k\bigr) \\
        v^{k+1} &= W \bigl(v^k + \nabla f(x^{k+1}) - \nabla f(x^k)\bigr),  && v^0 = \nabla f(x^0)

    From the paper's abstract are gradient tracking, a constant step, and the scaled memoryless BFGS matrix at every
    node, built from its own gradients: with :math:`s = x_i^k - x_i^{k-1}` and
    :math:`y = \nabla f_i(x_i^k) - \nabla f_i(x_i^{k-1})`,

    .. math::
        H_i = \gamma \Bigl(I - \frac{s y^\top}{s^\top y}\Bigr) \Bigl(I - \frac{y s^\top}{s^\top y}\Bigr)
              + \frac{s s^\top}{s^\top y}, \qquad \gamma = \frac{s^\top y}{y^\top y}

    The paper's safeguard is replaced by that of Powell (Nocedal, Wright 2006, Procedure 18.2, for the matrix
    :math:`\delta I`): where :math:`s^\top y < 0.2\, \delta s^\top s`, y becomes the :math:`\theta y + (1 - \theta)
    \delta s` for which they are equal. Before the first step :math:`H = I / \delta`.

    Step size: the paper proves linear convergence for a small enough a and strongly convex f_i. Costs one gradient and
    two mixings an iteration, and one gradient at the start.

    Attributes:
        step_size: a.
        damping: delta.
    """

    name = "dmbfgs"
    label = "DMBFGS"
    grid: ClassVar[Mapping[str, Range | Choice]] = {
        "step_size": Range(0.1, 1.6),
        "damping": Range(0.2, 1.0, unit="L"),
    }
    composite = False
    cost = Cost(rounds=2, vectors=2, gradients=1)
    setup_cost = Cost(gradients=1)

    step_size: float | Tensor
    damping: float | Tensor

    def init(self, problem: Problem, network: Network, x0: Tensor) -> DMBFGSState:
        gradient, zero = problem.gradient(x0), torch.zeros_like(x0)
        return DMBFGSState(x=x0, tracker=gradient, gradient=gradient, moved=zero, change=zero)

    def step(self, problem: Problem, network: Network, state: DMBFGSState) -> DMBFGSState:
        direction = memoryless_bfgs(state.tracker, state.moved, state.change, self.damping)
        x = network.mix(state.x - self.step_size * direction)
        gradient = problem.gradient(x)
        change = gradient - state.gradient
        tracker = network.mix(state.tracker + change)
        return DMBFGSState(x=x, tracker=tracker, gradient=gradient, moved=x - state.x, change=change)


def memoryless_bfgs(v: Tensor, s: Tensor, y: Tensor, damping: Tensor | float) -> Tensor:
    """Return H v of :class:`DMBFGS` at every node, ``(N, d)``: v over the damping where s is zero.

    Args:
        v: ``(N, d)``.
        s: the last move, ``(N, d)``.
        y: the change of the gradient with it, ``(N, d)``.
        damping: delta, a number or ``(N, 1)``.
    """
    bound = damping * _dot(s, s)
    curvature = _dot(s, y)
    theta = torch.where(curvature < DAMPED * bound, (1 - DAMPED) * bound / (bound - curvature), 1.0)
    y = theta * y + (1 - theta) * damping * s
    known = _dot(s, s) > 0
    curvature = torch.where(known, _dot(s, y), 1.0)
    scale = torch.where(known, curvature / _dot(y, y), torch.ones_like(bound) / damping)
    along = _dot(s, v) / curvature
    shortened = scale * (v - along * y)
    return shortened + s * (along - _dot(y, shortened) / curvature)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Return the inner products of the rows, ``(N, 1)``."""
    return (a * b).sum(dim=1, keepdim=True)
