"""Regularizers: none, l1, elastic net, a box, and l1 over groups."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.problems.regularizer import Regularizer

__all__ = ["L1", "Box", "ElasticNet", "GroupL1", "Regularizer", "Zero"]


@dataclass(frozen=True, eq=False)
class Zero(Regularizer):
    """r(x) = 0: a smooth problem."""

    def value(self, x: Tensor) -> Tensor:
        return x.new_zeros(x.size(0))

    def prox(self, v: Tensor, step: Tensor | float) -> Tensor:
        return v

    def prox_derivative(self, x: Tensor, step: Tensor | float) -> Tensor:
        return torch.ones_like(x)

    def min_norm_subgradient(self, x: Tensor, gradient: Tensor) -> Tensor:
        return gradient

    def free(self, x: Tensor) -> Tensor:
        return torch.ones_like(x, dtype=torch.bool)


@dataclass(frozen=True, eq=False)
class ElasticNet(Regularizer):
    r""":math:`r(x) = \lambda_1 \|x\|_1 + \frac{\lambda_2}{2} \|x\|_2^2` (Zou, Hastie 2005).

    The prox is soft thresholding, then shrinking: :math:`\mathrm{soft}(v, p \lambda_1) / (1 + p \lambda_2)`.

    Attributes:
        l1: :math:`\lambda_1 \ge 0`.
        l2: :math:`\lambda_2 \ge 0`.
    """

    l1: float | Tensor
    l2: float | Tensor

    def __post_init__(self) -> None:
        _check_not_negative(self)

    def value(self, x: Tensor) -> Tensor:
        return (self.l1 * x.abs() + 0.5 * self.l2 * x.square()).sum(dim=1)

    def prox(self, v: Tensor, step: Tensor | float) -> Tensor:
        return _soft(v, step * self.l1) / (1 + step * self.l2)

    def prox_derivative(self, x: Tensor, step: Tensor | float) -> Tensor:
        return self.free(x) / (1 + step * self.l2)

    def min_norm_subgradient(self, x: Tensor, gradient: Tensor) -> Tensor:
        gradient = gradient + self.l2 * x
        return torch.where(x == 0, _soft(gradient, self.l1), gradient + self.l1 * x.sign())

    def free(self, x: Tensor) -> Tensor:
        return x != 0


@dataclass(frozen=True, eq=False)
class L1(Regularizer):
    r""":math:`r(x) = \lambda \|x\|_1`, whose prox is soft thresholding at :math:`p \lambda`.

    Attributes:
        weight: :math:`\lambda \ge 0`, a number; or one for each coordinate, ``(1, d)``, such as 0 for an intercept.
    """

    weight: float | Tensor

    def __post_init__(self) -> None:
        _check_not_negative(self)

    def value(self, x: Tensor) -> Tensor:
        return (self.weight * x.abs()).sum(dim=1)

    def prox(self, v: Tensor, step: Tensor | float) -> Tensor:
        return _soft(v, step * self.weight)

    def prox_derivative(self, x: Tensor, step: Tensor | float) -> Tensor:
        return self.free(x).to(x)

    def min_norm_subgradient(self, x: Tensor, gradient: Tensor) -> Tensor:
        return torch.where(x == 0, _soft(gradient, self.weight), gradient + self.weight * x.sign())

    def free(self, x: Tensor) -> Tensor:
        return (x != 0) | (_like(x, self.weight) == 0)


@dataclass(frozen=True, eq=False)
class Box(Regularizer):
    r"""The indicator of :math:`l \le x \le u` in every coordinate, whose prox is clipping in any diagonal metric.

    Attributes:
        lower: l, may be ``-inf``.
        upper: u, may be ``inf``; ``Box(0, inf)`` is the constraint :math:`x \ge 0`.
    """

    lower: float | Tensor
    upper: float | Tensor

    def __post_init__(self) -> None:
        if not bool((torch.as_tensor(self.lower, dtype=torch.float64) <= self.upper).all()):
            raise InputError(f"a box has lower <= upper, got lower={self.lower}, upper={self.upper}")

    def value(self, x: Tensor) -> Tensor:
        # The average of feasible points may leave the box by a rounding error, so the check has a tolerance.
        tolerance = 1e-9 * (1 + x.abs())
        outside = ((x < self.lower - tolerance) | (x > self.upper + tolerance)).any(dim=1)
        return torch.where(outside, torch.inf, 0.0).to(x)

    def prox(self, v: Tensor, step: Tensor | float) -> Tensor:
        return v.clamp(_like(v, self.lower), _like(v, self.upper))

    def prox_derivative(self, x: Tensor, step: Tensor | float) -> Tensor:
        return self.free(x).to(x)

    def min_norm_subgradient(self, x: Tensor, gradient: Tensor) -> Tensor:
        # The normal cone at the lower bound is (-inf, 0], which cancels a positive gradient; at the upper one [0, inf).
        inward = torch.where(x <= self.lower, gradient.clamp(max=0), gradient)
        return torch.where(x >= self.upper, inward.clamp(min=0), inward)

    def free(self, x: Tensor) -> Tensor:
        return (x > self.lower) & (x < self.upper)


@dataclass(frozen=True, eq=False)
class GroupL1(Regularizer):
    r""":math:`r(x) = \lambda \sum_g \|x_g\|_2` over consecutive groups of equal size (Yuan, Lin 2006).

    The prox of a group is :math:`x_g = v_g / (1 + p_g \lambda / t)` with :math:`t = \|x_g\|`, or zero where
    :math:`\|v_g / p_g\| \le \lambda`. In a metric that varies inside the group t has no closed form; it is the root of
    :math:`\|v_g / (t + p_g \lambda)\| = 1`.

    Attributes:
        weight: :math:`\lambda \ge 0`.
        size: coordinates in a group; d is a multiple of it.
    """

    weight: float | Tensor
    size: int

    def __post_init__(self) -> None:
        _check_not_negative(self)
        if self.size < 1:
            raise InputError(f"group_l1 needs size >= 1, got {self.size}")

    @property
    def kind(self) -> str:
        return f"GroupL1(size={self.size})"

    def value(self, x: Tensor) -> Tensor:
        return (self.weight * self._groups(x).norm(dim=2)).sum(dim=1)

    def prox(self, v: Tensor, step: Tensor | float) -> Tensor:
        scaled = self._groups((step * self.weight) * torch.ones_like(v))  # p lambda, (rows, groups, size)
        v_group = self._groups(v)
        zero = (v_group / scaled.clamp(min=torch.finfo(v.dtype).tiny)).norm(dim=2, keepdim=True) <= 1
        # For groups whose prox is zero a value for which the root and its derivative exist; the result is not used.
        safe = torch.where(zero, 2 * scaled + 1, v_group)
        with torch.no_grad():
            root = (safe.norm(dim=2, keepdim=True) - scaled.amax(dim=2, keepdim=True)).clamp(min=0)
            for _ in range(60):
                previous, root = root, _newton_group_norm(root, safe, scaled)
                if torch.allclose(root, previous, rtol=1e-15, atol=0):
                    break
        root = _newton_group_norm(root, safe, scaled)  # once more with gradients: implicit differentiation
        return torch.where(zero, 0.0, v_group * root / (root + scaled)).reshape(v.shape)

    def min_norm_subgradient(self, x: Tensor, gradient: Tensor) -> Tensor:
        x_group, g_group = self._groups(x), self._groups(gradient)
        norm, slope = x_group.norm(dim=2, keepdim=True), g_group.norm(dim=2, keepdim=True)
        weight = _like(x, self.weight).reshape(-1, 1, 1)
        tiny = torch.finfo(x.dtype).tiny
        at_zero = g_group * (1 - weight / slope.clamp(min=tiny)).clamp(min=0)
        return torch.where(norm == 0, at_zero, g_group + weight * x_group / norm.clamp(min=tiny)).reshape(x.shape)

    def free(self, x: Tensor) -> Tensor:
        return (self._groups(x).norm(dim=2, keepdim=True) > 0).expand(-1, -1, self.size).reshape(x.shape)

    def _groups(self, x: Tensor) -> Tensor:
        if x.size(1) % self.size:
            raise InputError(f"group_l1 with size={self.size} needs a multiple of it as dimension, got {x.size(1)}")
        return x.reshape(x.size(0), -1, self.size)


def _newton_group_norm(root: Tensor, v: Tensor, scaled: Tensor) -> Tensor:
    # A step of Newton's method on psi(t) = 1 - 1 / ||v / (t + p lambda)||; exact where p is constant in the group.
    shifted = root + scaled
    norm = (v / shifted).norm(dim=2, keepdim=True)
    slope = (v.square() / shifted**3).sum(dim=2, keepdim=True) / norm.square()
    return root + (norm - 1) / slope


def _soft(v: Tensor, threshold: Tensor | float) -> Tensor:
    """Soft thresholding, sign(v) max(|v| - threshold, 0)."""
    if not isinstance(threshold, Tensor):
        return v - v.clamp(-threshold, threshold)
    return v - torch.minimum(torch.maximum(v, -threshold), threshold)


def _like(x: Tensor, value: Tensor | float) -> Tensor:
    # Not as_tensor(value).to(x), which rounds a number to the default type, float32, on its way.
    return torch.as_tensor(value, dtype=x.dtype, device=x.device)


def _check_not_negative(regularizer: Regularizer) -> None:
    for name, value in vars(regularizer).items():
        number = torch.as_tensor(value)
        if not bool((number.isfinite() & (number >= 0)).all()):
            raise InputError(f"{type(regularizer).__name__} needs a finite {name} >= 0, got {value}")
