"""What every loss of training is."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from gnn_l2o._utils.registry import Registry
from gnn_l2o.problems import Problem
from gnn_l2o.training.batch import Batch

RESOLUTION = 1e-7  # of float32: below it, a relative optimality gap has no meaningful gradient


class MetaLoss(ABC):
    r"""A loss of meta-training, and the value by which validation chooses the best weights.

    A loss is computed from the relative optimality gaps :math:`g_k = (F(\bar x^k) - F^*) / (F(x^0) - F^*)` of the
    problems at some iterations k, or from what :meth:`optimality_gap` returns in their place. A subclass needs a
    ``name`` and :meth:`segment_loss`; everything else has a default. Recipes and ``--loss`` take the name of a loss in
    :data:`LOSSES` or the path of a Python file that defines one.

    Attributes:
        name: what recipes and the command line call the loss.
        label: what the validation value is, on a model's card and on the axis of its training curve.
        tolerance: decades (units of the validation value) by which validation may become worse than the best value
            before the weights are rolled back to the best ones; infinite where sound training fluctuates as much.

    Shape:
        B problems in a batch.

    Example:
        The optimality gap that is left after the last iteration of a segment.

        >>> class FinalGap(MetaLoss):
        ...     name = "final_gap"
        ...
        ...     def segment_loss(self, batch, segment, optimality_gaps):
        ...         *_, last = optimality_gaps.values()
        ...         return (last.clamp(min=0) + RESOLUTION).log().mean()
        >>> float(FinalGap().segment_loss(None, range(1, 3), {1: torch.ones(3), 2: torch.ones(3)})) < 1e-6
        True
    """

    name: ClassVar[str]
    label: ClassVar[str] = "mean log10 of the relative optimality gap"
    tolerance: ClassVar[float] = math.inf

    @abstractmethod
    def segment_loss(self, batch: Batch, segment: range, optimality_gaps: Mapping[int, Tensor]) -> Tensor:
        """Return the loss of the iterations that are differentiated together, averaged over the problems.

        Args:
            batch: the problems.
            segment: the iterations.
            optimality_gaps: relative, ``(B,)``, by iteration, ascending: at those :meth:`measured_iterations` that lie
                in the segment, and at its last; where a run diverged they end early.

        Returns:
            ``()``.
        """

    def applies(self, problem: Problem) -> bool:
        """Whether it can be computed on such a problem; by default it can on all. Training refuses a mixture if not."""
        return True

    def optimality_gap(self, batch: Batch, x: Tensor) -> Tensor:
        """Return the relative optimality gap of every problem that training measures: ``(N, d)`` to ``(B,)``.

        By default it is that of the average of the nodes. A loss of something else may have other numbers here, in as
        many columns as it likes, ``(B, k)``; a run in which one exceeds a thousand counts as diverged.
        """
        return batch.relative_optimality_gap(x)

    def validation_optimality_gap(self, batch: Batch, x: Tensor) -> Tensor:
        """Return the one that validation measures; by default that of training."""
        return self.optimality_gap(batch, x)

    def measured_iterations(self, iterations: int) -> list[int]:
        """Return the iterations, from 1 to ``iterations``, ascending, at which training measures."""
        return log_spaced(iterations)

    def validation_iterations(self, iterations: int) -> list[int]:
        """Return the iterations at which validation measures; by default those of training."""
        return self.measured_iterations(iterations)

    def validation_values(self, run: range, optimality_gaps: Mapping[int, Tensor]) -> Tensor:
        """Return the values whose mean over all held-out problems is the validation value; smaller is better.

        Args:
            run: all iterations of the run.
            optimality_gaps: relative, ``(B,)``, by iteration, ascending: at the :meth:`validation_iterations`.

        Returns:
            One-dimensional; by default log10 of the relative optimality gap for every iteration and problem.
        """
        return torch.cat([(value.clamp(min=0) + RESOLUTION).log10() for value in optimality_gaps.values()])


LOSSES: Registry[MetaLoss] = Registry("loss", MetaLoss)


def log_spaced(iterations: int) -> list[int]:
    """Return iterations from 1 to ``iterations``, each a sixth larger than the one before.

    Example:
        >>> log_spaced(12)
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12]
    """
    chosen, k = [], 1
    while k < iterations:
        chosen.append(k)
        k = max(k + 1, round(k * 7 / 6))
    return [*chosen, iterations]


def square_spaced(iterations: int) -> list[int]:
    """Return at most 32 iterations from 1 to ``iterations``, which grow like squares: a third lies in the first tenth.

    Example:
        >>> square_spaced(1000)[-3:]
        [879, 938, 1000]
    """
    return sorted({max(1, round(iterations * (k / 32) ** 2)) for k in range(1, 33)})
