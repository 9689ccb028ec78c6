"""Rounded and sparsified vectors."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def quantize(v: Tensor, bits: int) -> Tensor:
    r"""Round coordinates to the nearest of :math:`2^b` values, equally spaced from -m to m: ``(N, d)`` to ``(N, d)``.

    m is the largest magnitude in the row, which is sent as well. The error of a coordinate is at most
    :math:`m / (2^b - 1)`.
    """
    largest = v.abs().amax(dim=1, keepdim=True)
    intervals = 2**bits - 1
    position = torch.where(largest > 0, (v / largest + 1) * (intervals / 2), 0.5 * intervals)
    return torch.where(largest > 0, (position.round() * (2 / intervals) - 1) * largest, 0.0)


def sparsify(v: Tensor, share: float) -> Tensor:
    """Keep of every row the largest coordinates in magnitude, this share of them, rounded up: ``(N, d)``."""
    kept = v.abs().topk(math.ceil(share * v.size(1)), dim=1).indices
    return torch.zeros_like(v).scatter(1, kept, v.gather(1, kept))


class Compression:
    r"""What a node sends in place of a vector x, and what its neighbours and itself take for it.

    With C for :func:`sparsify`, then :func:`quantize`, this is C(x) without error feedback. With it, neighbours
    remember h, at first 0, and the node sends the compressed difference to it:

    .. math::
        h^+ = h + C(x - h)

    so that the error vanishes as x converges, if C is a contraction (CHOCO: Koloskova, Stich, Jaggi 2019,
    arXiv:1902.00340; EF21: Richtárik, Sokolov, Fatkhullin 2021, arXiv:2106.05203). What a link that failed has missed
    travels with its next message. Vectors of the same shape share their h, whatever a method sends in them.

    Args:
        bits: of a coordinate; ``None``: as many as it has.
        share: of the coordinates that are sent; ``None``: all.
        feedback: whether errors are fed back.
    """

    def __init__(self, bits: int | None, share: float | None, *, feedback: bool) -> None:
        self._bits, self._share, self._feedback = bits, share, feedback
        self._known: dict[tuple[str, torch.Size], Tensor] = {}

    def __call__(self, value: Tensor, kind: str) -> Tensor:
        """Return what neighbours take for a vector of every row, ``(N, d)``.

        Args:
            value: the vectors.
            kind: what the rows are.
        """
        if self._bits is None and self._share is None:
            return value
        if not self._feedback:
            return self._compressed(value)
        key = kind, value.shape
        known = self._known.get(key, torch.zeros_like(value))
        after = known + self._compressed(value - known)
        self._known[key] = after.detach()
        return after

    def _compressed(self, value: Tensor) -> Tensor:
        value = value if self._share is None else sparsify(value, self._share)
        return value if self._bits is None else quantize(value, self._bits)
