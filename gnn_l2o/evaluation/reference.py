"""What iterates are measured against: problems and their solutions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from gnn_l2o.evaluation.online_loss import OnlineLoss
from gnn_l2o.problems import Problem, starts_optimal


@dataclass(frozen=True, eq=False)
class Reference:
    r"""What iterates are measured against: a problem, or B problems side by side, with the solutions.

    Problem and tensors have the precision in which metrics are computed, whatever that of the iterates is. For problems
    whose minimum cannot be found (neural networks), :math:`F^*` is a lower bound and :math:`x^*` the initial point.

    Attributes:
        problem: the losses and r.
        solution: :math:`x^*`, ``(B, d)``.
        value: :math:`F^*`, ``(B,)``.
        x0: the initial point, ``(N, d)``.
        online: of a stream whose labels change, the losses of its draws; a run has one of its own.
    """

    problem: Problem
    solution: Tensor
    value: Tensor
    x0: Tensor
    online: OnlineLoss | None = None

    @cached_property
    def gap_scale(self) -> Tensor:
        r"""The reference scale of the optimality gap, ``(B,)``: :math:`F(x^0) - F^*`.

        Where the initial point is optimal already or outside the domain of r, it is :math:`\max(1, |F^*|)`.
        """
        excess = self.initial_value - self.value
        return torch.where(excess.isfinite() & ~self.starts_optimal, excess, self.value.abs().clamp(min=1))

    @cached_property
    def initial_value(self) -> Tensor:
        """F at the average of the initial points, ``(B,)``."""
        return self.problem.objective(self.problem.average(self.x0))

    @property
    def starts_optimal(self) -> Tensor:
        """Where the initial point is optimal already, ``(B,)``, boolean."""
        return starts_optimal(self.initial_value, self.value)

    @cached_property
    def solution_norm(self) -> Tensor:
        r"""The norm :math:`\|x^*\|`, ``(B,)``, and 1 where that is 0."""
        norm = self.solution.norm(dim=1)
        return torch.where(norm > 0, norm, 1.0)

    def convert(self, x: Tensor) -> Tensor:
        """Return iterates in the precision of the reference."""
        return x.to(self.value.dtype)
