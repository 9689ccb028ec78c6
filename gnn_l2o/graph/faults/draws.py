"""Random numbers of a round, equal in every process that asks for those of the same link or node."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Draws:
    """Draws for numbered things, links or nodes, of which some are here.

    Attributes:
        seed: of all draws.
        number: which of the things are here, ``(R,)``.
        total: how many there are.
    """

    seed: int
    number: Tensor
    total: int

    def uniform(self, purpose: str, k: int) -> Tensor:
        """Return for each of the things a number that is uniform in [0, 1), ``(R, 1)``.

        Args:
            purpose: what they are for; different purposes are independent.
            k: of which round.
        """
        return self._select(self._generator(purpose, k).random((self.total, 1)))

    def normal(self, purpose: str, k: int, like: Tensor) -> Tensor:
        """Return for each of the things standard normal numbers in the precision of ``like``, ``(R, d)``."""
        return self._select(self._generator(purpose, k).standard_normal((self.total, like.size(1)))).to(like)

    def _generator(self, purpose: str, k: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, *purpose.encode(), k])

    def _select(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self.number.device).index_select(0, self.number)
