"""How the coordinates of a node make up x: one array of any shape, or a dictionary of arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError


@dataclass(frozen=True)
class Layout:
    """The arrays that x consists of, and their order in a row of d coordinates.

    Attributes:
        shapes: of the arrays.
        names: of the arrays, where x is a dictionary; ``None`` where it is one array.
    """

    shapes: tuple[tuple[int, ...], ...]
    names: tuple[str, ...] | None = None

    @classmethod
    def of(cls, x: Tensor | Mapping[str, Tensor]) -> Self:
        """Return the layout of such a value of x.

        Raises:
            InputError: it has no coordinates.
        """
        arrays = [x] if isinstance(x, Tensor) else list(x.values())
        if not sum(array.numel() for array in arrays):
            raise InputError("x0 has no coordinates; expected an array of numbers, or a dictionary of arrays")
        return cls(tuple(tuple(array.shape) for array in arrays), None if isinstance(x, Tensor) else tuple(x))

    @property
    def dim(self) -> int:
        """d, the number of coordinates."""
        return sum(map(math.prod, self.shapes))

    def flatten(self, x: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Return the coordinates of x, ``(d,)``."""
        arrays = [x] if isinstance(x, Tensor) else [x[name] for name in self.names or ()]
        return torch.cat([array.flatten() for array in arrays])

    def unflatten(self, rows: Tensor) -> Tensor | dict[str, Tensor]:
        """Return the x that ``(..., d)`` coordinates make up, each array of ``(..., *shape)``."""
        parts = torch.split(rows, list(map(math.prod, self.shapes)), dim=-1)
        arrays = [part.reshape((*rows.shape[:-1], *shape)) for part, shape in zip(parts, self.shapes, strict=True)]
        return arrays[0] if self.names is None else dict(zip(self.names, arrays, strict=True))
