"""Preconditioners that are matrices: the inverse roots of what the gradients of a node were like."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from gnn_l2o._utils.blocks import Blocks, eigen

MEMORY = 0.8
"""Of the exponential mean of the products."""
EVEN = 0.03
"""Share of the largest eigenvalue that is added to all: the inverse roots differ by a factor of six at most."""
FLOOR = 1e-8
"""The same, of the largest that there ever was: the inverse roots are bounded however small gradients get."""


@dataclass(frozen=True)
class Whitening:
    r"""A symmetric positive definite matrix of every node, which makes its directions alike.

    A block of the direction v is a matrix V, r x c with r <= c, and C the exponential mean of :math:`V V^T`:

    .. math:: V \mapsto \sqrt c \, (C + (\epsilon \lambda_{\max}(C) + \delta \Lambda) I)^{-1/2} \, V

    with :math:`\Lambda` the largest :math:`\lambda_{\max}(C)` so far. This is Shampoo (Gupta, Koren, Singer 2018) with
    a factor on the smaller side only, whose power is then -1/2. Where V is as C expects, its image has a root mean
    square of about one. A vector is a matrix of one row: it is divided by its size. All is differentiated but the two
    :math:`\lambda_{\max}`.

    Attributes:
        blocks: of v.
        product: C of every block, ``(N, groups, r, r)``.
        peak: :math:`\Lambda` of every block, ``(N, groups, 1)``.
        root: the factor of every block, ``(N, groups, r, r)``.
        largest: its largest eigenvalue, ``(N, K)``.
    """

    blocks: Blocks
    product: tuple[Tensor, ...] = ()
    peak: tuple[Tensor, ...] = ()
    root: tuple[Tensor, ...] = ()
    largest: Tensor | None = None

    def seen(self, direction: Tensor) -> Self:
        """Return the matrix after another direction, ``(N, d)``."""
        products, peaks, roots, largest = [], [], [], []
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
            largest.append(scale * values.flatten(1).amax(dim=1))
        return replace(
            self, product=tuple(products), peak=tuple(peaks), root=tuple(roots), largest=torch.stack(largest, dim=1)
        )

    def apply(self, direction: Tensor) -> Tensor:
        """Return the image of v under the matrix divided by its :attr:`largest` eigenvalue: ``(N, d)`` to ``(N, d)``.

        It is divided in every block by that of the block, so that what remains to multiply it with is one number each.
        """
        assert self.largest is not None  # a direction was seen
        matrices = self.blocks.matrices(direction)
        largest = self.largest.t().reshape(len(self.root), -1, 1, 1, 1)
        return self.blocks.join([r @ m / g for r, m, g in zip(self.root, matrices, largest, strict=True)])


class _InverseRoot(torch.autograd.Function):
    """The inverse root of a matrix, differentiable where eigenvalues meet, as eigenvectors alone are not."""

    @staticmethod
    def forward(ctx: Any, product: Tensor, peak: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the root, its eigenvalues and the largest eigenvalue of C so far; only the root is differentiated."""
        values, vectors = eigen(product)
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
