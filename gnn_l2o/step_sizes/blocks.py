"""How coordinates are divided into blocks with a step size each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError

Shapes = tuple[tuple[int, ...], ...]
Division = Literal["whole", "tensors", "coordinates"] | Sequence[Sequence[int]]
"""All coordinates in one block, a block for each array that x consists of, for each coordinate, or listed blocks."""

NAMED = ("whole", "tensors", "coordinates")


def check_division(division: Division) -> None:
    """Refuse what is no division, or lists a coordinate twice.

    Raises:
        InputError: it is neither a name nor lists of different coordinates.
    """
    if isinstance(division, str):
        if division not in NAMED:
            raise InputError(f"blocks are {', '.join(NAMED)} or lists of coordinates, got {division!r}")
        return
    listed = [c for block in division for c in block]
    if not division or not all(division) or any(type(c) is not int or c < 0 for c in listed):
        raise InputError(f"blocks are lists of coordinates, none of them empty, got {division!r:.80}")
    twice = next((c for c in listed if listed.count(c) > 1), None) if len(set(listed)) < len(listed) else None
    if twice is not None:
        raise InputError(f"blocks share no coordinate, but {twice} is in more than one place")


def count_blocks(division: Division, shapes: Shapes) -> int:
    """Return B for an x that consists of arrays of these shapes."""
    if isinstance(division, str):
        return {"whole": 1, "tensors": len(shapes), "coordinates": sum(map(math.prod, shapes))}[division]
    return len(division)


@dataclass(frozen=True, eq=False)
class Blocks:
    """A division of the d coordinates of a problem into B blocks.

    Attributes:
        coordinates: those of every block; ``None`` where every coordinate is a block.
        block: ``(d,)``, the block of every coordinate.
    """

    coordinates: tuple[Tensor, ...] | None
    block: Tensor

    @classmethod
    def of(cls, division: Division, shapes: Shapes, device: torch.device) -> Blocks:
        """Return the blocks of an x that consists of arrays of these shapes.

        Raises:
            InputError: listed blocks do not cover all coordinates, or name others.
        """
        sizes = [math.prod(shape) for shape in shapes]
        dim = sum(sizes)
        every = torch.arange(dim, device=device)
        if division == "coordinates":
            return cls(None, every)
        if division == "whole":
            parts: tuple[Tensor, ...] = (every,)
        elif division == "tensors":
            parts = torch.split(every, sizes)
        else:
            listed = sorted(itertools.chain.from_iterable(division))
            if listed != list(range(dim)):
                missing = next((c for c in range(dim) if c not in set(listed)), None)
                which = f"{listed[-1]} is none of them" if missing is None else f"{missing} is in none"
                raise InputError(f"blocks divide the {dim} coordinates 0 to {dim - 1}, but {which}")
            parts = tuple(torch.tensor(list(block), device=device) for block in division)
        block = every.clone()
        for number, part in enumerate(parts):
            block[part] = number
        return cls(parts, block)

    @property
    def count(self) -> int:
        """B."""
        return self.block.numel() if self.coordinates is None else len(self.coordinates)

    def sums(self, values: Tensor) -> Tensor:
        """Sum over the coordinates of every block: ``(N, d)`` to ``(N, B)``."""
        if self.coordinates is None:
            return values
        if self.count == 1:
            return values.sum(dim=1, keepdim=True)
        return torch.stack([values.index_select(1, part).sum(dim=1) for part in self.coordinates], dim=1)

    def spread(self, values: Tensor) -> Tensor:
        """Give every coordinate the number of its block: ``(N, B)`` to ``(N, d)``, or ``(N, 1)`` for one block."""
        if self.coordinates is None or self.count == 1:
            return values
        return values.index_select(1, self.block)
