"""x as a list of matrices, for methods that precondition matrices by rows and columns."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

LARGEST = 128
"""The maximal number of rows of a block; larger ones are cut into groups of rows, as matrix roots take cubic time."""

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Blocks:
    """The arrays that x consists of, each as matrices of at most :data:`LARGEST` rows and at least as many columns.

    Attributes:
        shapes: of the arrays, in their order in x.
    """

    shapes: tuple[Shape, ...]

    @property
    def sizes(self) -> list[int]:
        """The number of coordinates of each array."""
        return [math.prod(shape) for shape in self.shapes]

    @property
    def sides(self) -> list[tuple[int, int]]:
        """Rows and columns of each as a matrix, before it is transposed or cut; a vector is a single row."""
        return [(s[0], math.prod(s[1:])) if len(s) > 1 else (1, math.prod(s)) for s in self.shapes]

    def split(self, value: Tensor) -> tuple[Tensor, ...]:
        """Return the coordinates of every block: ``(N, d)`` to ``(N, size)`` each."""
        return torch.split(value, self.sizes, dim=1)

    def matrices(self, value: Tensor) -> list[Tensor]:
        """Return the blocks of ``(N, d)`` as matrices, ``(N, groups, rows, columns)`` each."""
        matrices = []
        for part, (rows, columns) in zip(self.split(value), self.sides, strict=True):
            matrix = part.reshape(-1, rows, columns)
            matrix = matrix if rows <= columns else matrix.mT
            side = min(rows, columns)
            groups = next(g for g in range(math.ceil(side / LARGEST), side + 1) if side % g == 0)
            matrices.append(matrix.reshape(len(matrix), groups, side // groups, -1))
        return matrices

    def join(self, matrices: list[Tensor]) -> Tensor:
        """Undo :meth:`matrices`."""
        parts = []
        for matrix, (rows, columns) in zip(matrices, self.sides, strict=True):
            whole = matrix.flatten(1, 2)
            parts.append((whole if rows <= columns else whole.mT).flatten(1))
        return torch.cat(parts, dim=1)

    def root_mean_squares(self, value: Tensor) -> Tensor:
        """Return the root mean square of every block: ``(rows, d)`` to ``(rows, K)``."""
        return torch.stack([part.square().mean(dim=1) for part in self.split(value)], dim=1).sqrt()

    def dots(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the inner products of every block: twice ``(rows, d)`` to ``(rows, K)``."""
        return torch.stack([part.sum(dim=1) for part in self.split(a * b)], dim=1)

    def spread(self, value: Tensor) -> Tensor:
        """Give every coordinate the value of its block: ``(rows, K)`` to ``(rows, d)``."""
        columns = torch.split(value, 1, dim=1)
        return torch.cat([column.expand(-1, size) for column, size in zip(columns, self.sizes, strict=True)], dim=1)


def eigen(product: Tensor) -> tuple[Tensor, Tensor]:
    """Return eigenvalues, ascending, and eigenvectors of positive semidefinite matrices, ``(..., r, r)``.

    Negative eigenvalues, which are rounding errors, become 0. For matrices with infinite entries or NaN, as of a run
    that diverged, all eigenvalues are NaN; LAPACK would raise an error.
    """
    if product.size(-1) == 1:
        return product.squeeze(-1).clamp(min=0), torch.ones_like(product)
    finite = product.isfinite().all(dim=(-2, -1), keepdim=True)
    values, vectors = torch.linalg.eigh(torch.where(finite, product, 0))
    return values.clamp(min=0).where(finite.squeeze(-1), torch.nan), vectors
