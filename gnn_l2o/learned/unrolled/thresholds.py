"""Soft thresholding, with and without support selection."""

from __future__ import annotations

import torch
from torch import Tensor

THRESHOLD = 0.4
"""Times 1/L the threshold of all layers before training: ISTA for LASSO with the weight 0.4 (Gregor, LeCun 2010)."""


def soft(v: Tensor, threshold: Tensor) -> Tensor:
    r"""Return :math:`\operatorname{sign}(v) \max(|v| - t, 0)`."""
    return v.sign() * (v.abs() - threshold).relu()


def soft_with_support(v: Tensor, threshold: Tensor, share: float) -> Tensor:
    r"""Soft thresholding that passes the largest entries unchanged (support selection).

    An entry passes where it is above the threshold and among the :math:`\lceil p n \rceil` largest in magnitude (Chen,
    Liu, Wang, Yin 2018, arXiv:1808.10038). What passes is a constant for back-propagation.

    Args:
        v: ``(N, n)``.
        threshold: t.
        share: p, between 0 and 1; with 0 it is :func:`soft`, bit for bit.
    """
    shrunk = soft(v, threshold)
    return shrunk if share == 0 else torch.where(supported(v, threshold, share), v, shrunk)


@torch.no_grad()
def supported(v: Tensor, threshold: Tensor, share: float) -> Tensor:
    """Return which entries pass in :func:`soft_with_support`, ``(N, n)``, bool."""
    count, size = -int(-share * v.size(1) // 1), v.abs()
    if count == 0:
        return torch.zeros_like(v, dtype=torch.bool)
    smallest = size.topk(count, dim=1, sorted=False).values.amin(dim=1, keepdim=True)
    return (size >= smallest) & (size > threshold)


def support_share(layer: int, rate: float, maximum: float) -> float:
    """Return the share of entries that pass in a layer, counted from 0, of settings in percent."""
    return min(rate * (layer + 1), maximum) / 100
