"""Quadratics that are flat far from their minimum."""

from torch import Tensor


def clipped_quadratic(x: Tensor, center: Tensor, height: Tensor) -> Tensor:
    r"""Return :math:`\frac1d \sum_j \min((x_j - a_j)^2, h)`, for :class:`.Differentiable`.

    Args:
        x: ``(d,)``.
        center: a, ``(d,)``.
        height: h, ``()``.
    """
    return (x - center).square().clamp(max=height).mean()
