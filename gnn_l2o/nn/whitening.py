"""Preconditioners that are matrices: the inverse roots of what the gradients of a node were like."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

LARGEST = 128  # rows of a block; larger ones are cut into groups of rows, as roots take cubic time
MEMORY = 0.9  # of the mean of the gradients' products
EVEN = (
    0.03  # share of the greatest eigenvalue that is added to all: the inverse roots differ by a factor of six at most
)
FLOOR = 1e-8  # the same, of the greatest one that ever was: the inverse roots are bounded however small gradients get

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Blocks:
    """The arrays that x is made of, each as matrices of at most :data:`LARGEST` rows and at least as many columns.

    Attributes:
        shapes: of the arrays, in the order in which x holds them.
    """

    shapes: tuple[Shape, ...]

    @property
    def sizes(self) -> list[int]:
        """How many coordinates each has."""
        return [math.prod(shape) for shape in self.shapes]

    @property
    def sides(self) -> list[tuple[int, int]]:
        """Rows and columns of each as a matrix, before it is turned or cut; a vector is a single row."""
        return [(s[0], math.prod(s[1:])) if len(s) > 1 else (1, math.prod(s)) for s in self.shapes]

    def split(self, value: Tensor) -> tuple[Tensor, ...]:
        """Return the part of every block: ``(N, d)`` to ``(N, size)`` each."""
        return torch.split(value, self.sizes, dim=1)

    def matrices(self, value: Tensor) -> list[Tensor]:
        """Return the blocks of ``(N, d)`` as matrices, ``(N, groups, rows, columns)`` each."""
        matrices = []
        for part, (rows, columns) in zip(self.split(value), self.sides, strict=True):
            matrix = part.reshape(-1, rows, columns)
            matrix = matrix if rows <= columns else matrix.mT
            least = min(rows, columns)
            groups = next(g for g in range(math.ceil(least / LARGEST), least + 1) if least % g == 0)
            matrices.append(matrix.reshape(len(matrix), groups, least // groups, -1))
        return matrices

    def join(self, matrices: list[Tensor]) -> Tensor:
        """Undo :meth:`matrices`."""
        parts = []
        for matrix, (rows, columns) in zip(matrices, self.sides, strict=True):
            whole = matrix.flatten(1, 2)
            parts.append((whole if rows <= columns else whole.mT).flatten(1))
        return torch.cat(parts, dim=1)

    def sizes_of(self, value: Tensor) -> Tensor:
        """Return the root mean square of every block: ``(rows, d)`` to ``(rows, K)``."""
        return torch.stack([part.square().mean(dim=1) for part in self.split(value)], dim=1).sqrt()

    def dots(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the inner products of every block: twice ``(rows, d)`` to ``(rows, K)``."""
        return torch.stack([part.sum(dim=1) for part in self.split(a * b)], dim=1)

    def spread(self, value: Tensor) -> Tensor:
        """Give every coordinate the value of its block: ``(rows, K)`` to ``(rows, d)``."""
        return value.repeat_interleave(torch.tensor(self.sizes, device=value.device), dim=1)


@dataclass(frozen=True)
class Whitening:
    r"""A symmetric positive definite matrix of every node, which makes its directions alike.

    A block of the direction v is a matrix V, r x c with r <= c, and C the exponential mean of :math:`V V^T`:

    .. math:: V \mapsto \sqrt c \, (C + (\epsilon \lambda_{\max}(C) + \delta \Lambda) I)^{-1/2} \, V

    with :math:`\Lambda` the greatest :math:`\lambda_{\max}(C)` so far. This is Shampoo (Gupta, Koren, Singer 2018) with
    a factor on the smaller side only, whose power is then -1/2. Where V is as C expects, its image has a root mean
    square of about one. A vector is a matrix of one row: it is divided by its size. Measured, not differentiated.

    Attributes:
        blocks: of v.
        product: C of every block, ``(N, groups, r, r)``.
        peak: :math:`\Lambda` of every block, ``(N, groups, 1)``.
        root: the factor of every block, ``(N, groups, r, r)``.
        greatest: its greatest eigenvalue, ``(N, K)``.
    """

    blocks: Blocks
    product: tuple[Tensor, ...] = ()
    peak: tuple[Tensor, ...] = ()
    root: tuple[Tensor, ...] = ()
    greatest: Tensor | None = None

    def seen(self, direction: Tensor) -> Self:
        """Return the matrix after another direction, ``(N, d)``."""
        products, peaks, roots, greatest = [], [], [], []
        for k, matrix in enumerate(self.blocks.matrices(direction)):
            product = matrix @ matrix.mT
            if self.product:
                product = self.product[k].lerp(product, 1 - MEMORY)
            peak = self.peak[k] if self.peak else product.new_zeros(*product.shape[:2], 1)
            root, values, peak = _InverseRoot.apply(product, peak)  # type: ignore[no-untyped-call]  # torch's
            scale = math.sqrt(matrix.size(3))
            products.append(product)
            peaks.append(peak)
            roots.append(scale * root)
            greatest.append(scale * values.flatten(1).amax(dim=1))
        return replace(
            self, product=tuple(products), peak=tuple(peaks), root=tuple(roots), greatest=torch.stack(greatest, dim=1)
        )

    def apply(self, direction: Tensor) -> Tensor:
        """Return the image of v under the matrix divided by its :attr:`greatest` eigenvalue: ``(N, d)`` to ``(N, d)``.

        It is divided in every block by that of the block, so that what remains to multiply it with is one number each.
        """
        assert self.greatest is not None  # a direction was seen
        matrices = self.blocks.matrices(direction)
        images = [root @ matrix for root, matrix in zip(self.root, matrices, strict=True)]
        return self.blocks.join(images) / self.blocks.spread(self.greatest)


class _InverseRoot(torch.autograd.Function):
    """The inverse root of a matrix, differentiable where eigenvalues meet, as eigenvectors alone are not."""

    @staticmethod
    def forward(ctx: Any, product: Tensor, peak: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the root, its eigenvalues and the greatest eigenvalue of C so far; only the root is differentiated."""
        values, vectors = _eigen(product)
        peak = torch.maximum(peak, values[..., -1:])
        floor = (EVEN * values[..., -1:] + FLOOR * peak).clamp(min=torch.finfo(values.dtype).tiny)
        inverse = (values + floor).rsqrt()
        ctx.save_for_backward(inverse, vectors)
        ctx.mark_non_differentiable(inverse, peak)
        return (vectors * inverse.unsqueeze(-2)) @ vectors.mT, inverse, peak

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        r"""Use divided differences of :math:`\lambda^{-1/2}` (Daleckii, Krein 1965); the floor counts as constant."""
        inverse, vectors = ctx.saved_tensors
        a, b = inverse.unsqueeze(-1), inverse.unsqueeze(-2)
        # With a = l^(-1/2), b = m^(-1/2): (a - b) / (l - m) = -a^2 b^2 / (a + b).
        differences = -(a * b).square() / (a + b)
        return vectors @ (differences * (vectors.mT @ gradients[0] @ vectors)) @ vectors.mT, None


def _eigen(product: Tensor) -> tuple[Tensor, Tensor]:
    """Return eigenvalues, ascending and not negative, and eigenvectors; of a run that is lost not a number."""
    if not bool(product.isfinite().all()):  # which LAPACK refuses
        return product.new_full(product.shape[:-1], torch.nan), torch.full_like(product, torch.nan)
    values, vectors = torch.linalg.eigh(product)
    return values.clamp(min=0), vectors
