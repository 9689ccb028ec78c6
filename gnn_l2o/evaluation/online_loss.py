"""The measure of a stream whose labels change: the loss of every mini-batch before the step that it leads to."""

from __future__ import annotations

import time
from typing import Any

from torch import Tensor

from gnn_l2o.algorithms.driver import Driver
from gnn_l2o.problems.permuted_labels import PermutedLabels


class OnlineLoss:
    r"""The mean loss of the draws of a stream so far, each at the iterates before its step.

    .. math::
        \frac1K \sum_{k=1}^{K} \frac1N \sum_i f_i^{S_k}(x_i^{k-1})

    Every mini-batch is a test before it is a lesson (Dawid 1984, "prequential"), so that the measure has the labels of
    the period that the run is in, and counts how long a method takes after each change.

    Args:
        stream: the problem; evaluations of its losses are not counted.
    """

    def __init__(self, stream: PermutedLabels) -> None:
        self._stream, self._count = stream, 0
        self._total = stream.initial_point().new_zeros(stream.num_problems)

    def add(self, x: Tensor) -> None:
        """Add the next draw.

        Args:
            x: the iterates before its step, ``(N, d)``.
        """
        self._count += 1
        draw = self._stream.draw(self._count)
        self._total = self._total + draw.average(draw.loss(x)).squeeze(1)

    def mean(self, x: Tensor) -> Tensor:
        """Return the mean so far, ``(B,)``; before the first draw, the loss of the average of x on all samples."""
        return self._total / self._count if self._count else self._stream.objective(self._stream.average(x))


class OnlineDriver(Driver[Any]):
    """A driver that measures the loss of every draw before its step, outside of the time that is counted.

    Attributes:
        online: where losses are added.
    """

    online: OnlineLoss

    def step(self) -> None:
        began = time.perf_counter()
        self.online.add(self.x)
        self.seconds -= time.perf_counter() - began
        super().step()
