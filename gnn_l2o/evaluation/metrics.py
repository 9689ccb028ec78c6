"""How far the nodes are from the solution and from each other. No algorithm measures itself."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gnn_l2o.problems import Problem

DIVERGED = 1e6
"""A run whose relative gap exceeds this is lost: none that went so far was seen to come back."""


class Measured(NamedTuple):
    """What :class:`Metrics` finds at some iterates."""

    gap: Tensor  # (B,), infinite where the average lies outside the domain of r
    consensus: Tensor  # (B,)
    diverged: Tensor  # (B,), bool: iterates are no numbers, or the gap is above DIVERGED inside the domain of r


class Metrics:
    r"""Distances from the solution, for one problem or several side by side, in the solution's precision.

    .. math::
        \text{gap}       &= \frac{F(\bar x) - F^*}{F(x^0) - F^*}, \qquad \bar x = \tfrac1N \sum_i x_i \\
        \text{consensus} &= \frac{\|X - \mathbf 1 \bar x^\top\|_F}{\sqrt N \, \|x^*\|}

    Where the start is no yardstick, being optimal already or outside the domain of r, the gap is relative to
    :math:`\max(1, |F^*|)`; where :math:`x^* = 0` the consensus is absolute. For problems without a solution that can be
    had (neural networks), :math:`F^*` is a lower bound and :math:`x^*` the start: with the bound 0 the gap is the
    training loss relative to that of the start.

    Args:
        problem: in the precision of the solution, whatever that of the iterates is.
        solution: ``(B, d)``, x*.
        value: ``(B,)``, F*.
        x0: ``(N, d)``, where the runs start.

    Shape:
        N nodes, B problems, d coordinates.
    """

    def __init__(self, problem: Problem, solution: Tensor, value: Tensor, x0: Tensor) -> None:
        self.problem = problem
        self.value = value
        excess = problem.objective(problem.average(x0.to(solution))) - value
        magnitude = value.abs().clamp(min=1)
        is_yardstick = excess.isfinite() & (excess > 1e-12 * magnitude)
        self.yardstick = torch.where(is_yardstick, excess, magnitude)
        size = solution.norm(dim=1)
        self.size = torch.where(size > 0, size, 1.0)

    def accuracy(self, x: Tensor) -> Tensor | None:
        """Return the share of test samples that the average of the iterates gets right, ``(B,)``, if there are any."""
        return self.problem.accuracy(self.problem.average(x.to(self.value.dtype)))

    def __call__(self, x: Tensor) -> Measured:
        """Measure the iterates x, ``(N, d)``."""
        x = x.to(self.value.dtype)
        mean = self.problem.average(x)
        gap = (self.problem.objective(mean) - self.value) / self.yardstick
        deviation = (x - self.problem.spread(mean)).square().sum(dim=1, keepdim=True)
        consensus = self.problem.average(deviation).squeeze(1).sqrt() / self.size
        outside = self.problem.regularizer.value(mean).isinf()
        diverged = ~mean.isfinite().all(dim=1) | gap.isnan() | ((gap > DIVERGED) & ~outside)
        return Measured(gap, consensus, diverged)
