"""Local updates that move some of the arrays of x in an iteration, drawn at random."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.local_updates.base import LocalUpdate


@dataclass(frozen=True, eq=False)
class PartialMemory:
    """Memory of :class:`PartialUpdate`."""

    inner: Any  # of the update
    shares: tuple[tuple[int, float], ...]  # of every array, how many coordinates and with which probability
    iteration: int  # k


@dataclass(frozen=True, eq=False)
class PartialUpdate(LocalUpdate[PartialMemory]):
    r"""A local update each of whose T arrays moves with a probability of its own, as in HALO (Li et al. 2020, ECCV).

    .. math::
        \Delta_j = \xi_j^k \Delta'_j, \qquad P(\xi_j^k = 1) = p_j = p_1 + \frac{j - 1}{T - 1} (p_T - p_1)

    for j = 1, ..., T, or p_T where there is one array only. HALO updates the layers of a network with probabilities of
    0.1 at the first, 0.3 and 0.5 at the last. An array that rests is not differentiated in training either, but for
    what the memory of the update learns of its gradients. All nodes draw the same :math:`\xi`, a function of seed and
    iteration, so that no node sends what it did not move. With probabilities of 1 it is the update, bit for bit.

    Attributes:
        update: moves the arrays.
        first: :math:`p_1`.
        last: :math:`p_T`.
        seed: of the draws.

    Raises:
        InputError: a probability is not in (0, 1].
    """

    update: LocalUpdate[Any]
    first: float
    last: float
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("first", "last"):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(f"a partial update needs 0 < {name} <= 1, got {getattr(self, name)}")
        object.__setattr__(self, "preserves_zero", self.update.preserves_zero)

    def init(self, x0: Tensor, shapes: tuple[tuple[int, ...], ...]) -> PartialMemory:
        sizes = [math.prod(shape) for shape in shapes]
        shares = [self.last] if len(sizes) == 1 else np.linspace(self.first, self.last, len(sizes)).tolist()
        return PartialMemory(self.update.init(x0, shapes), tuple(zip(sizes, shares, strict=True)), 0)

    def delta(self, gradient: Tensor, x: Tensor, memory: PartialMemory) -> tuple[Tensor, PartialMemory]:
        delta, inner = self.update.delta(gradient, x, memory.inner)
        draws = np.random.default_rng([self.seed, memory.iteration]).uniform(size=len(memory.shares))
        parts = torch.split(delta, [size for size, _ in memory.shares], dim=1)
        moved = [
            part if draw < share else torch.zeros_like(part)
            for part, draw, (_, share) in zip(parts, draws, memory.shares, strict=True)
        ]
        return torch.cat(moved, dim=1), PartialMemory(inner, memory.shares, memory.iteration + 1)
