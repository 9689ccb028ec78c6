"""Classes that change their names now and then: a problem that does not stay as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.problems.stochastic import Stochastic


@dataclass(frozen=True, eq=False)
class PermutedLabels(Stochastic):
    r"""Mini-batches of a classification problem whose labels are permuted anew after every so many iterations.

    In iterations k with :math:`\lfloor k / T \rfloor = p` a sample of class c has the label :math:`\pi_p(c)`, at all
    nodes; :math:`\pi_0` is the identity, and the others are random permutations. What an optimizer has learned of the
    last layer is wrong after a change, and steps that fit the end of a period are too short for the beginning of the
    next (what Sharifnassab et al. 2025, arXiv:2402.02342, call non-stationary).

    Draws are those of :class:`.Stochastic`. The full problem, on which iterates are measured, has the labels of period
    0; what an optimizer is to make small is the loss of each draw before it steps.

    Attributes:
        every: T, at least 1.
        classes: C; by default counted, which of a part of a problem are those of the whole.

    Raises:
        InputError: targets are no classes, or ``every`` is too small.
    """

    every: int = field(kw_only=True)
    classes: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.every < 1:
            raise InputError(f"labels are permuted after at least 1 iteration, got {self.every}")
        if self._sum.targets.is_floating_point():
            raise InputError("permuted labels need targets that are classes (whole numbers), got real ones")
        object.__setattr__(self, "classes", self.classes or int(self._sum.targets.max()) + 1)

    def draw(self, number: int) -> Self:
        return self._permuted(super().draw(number))

    def local_draw(self, step: int) -> Self:
        drawn = super().local_draw(step)
        return drawn if drawn is self else self._permuted(drawn)

    def accuracy(self, x: Tensor) -> None:
        """Return ``None``: test samples have the labels of the first period only."""
        return None

    def permutation(self, number: int) -> Tensor:
        """Return the label of every class in this iteration, ``(C,)``."""
        period = number // self.every
        if period == 0:
            return torch.arange(self.classes)
        seed = self.seed if isinstance(self.seed, int) else self.seed[0].seed
        return torch.from_numpy(np.random.default_rng([seed, period, self.classes]).permutation(self.classes))

    def _permuted(self, draw: Self) -> Self:
        assert draw.drawn is not None and draw.number is not None
        labels = self.permutation(draw.number).to(draw.drawn.targets.device)
        return replace(draw, drawn=replace(draw.drawn, targets=labels[draw.drawn.targets]))

    @classmethod
    def concatenate(cls, problems: Sequence[Self]) -> Self:
        raise InputError("problems with permuted labels cannot be joined in one batch")
