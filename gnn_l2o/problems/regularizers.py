"""Regularizers r with their prox in a diagonal metric."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError


@dataclass(frozen=True, eq=False)
class Regularizer(ABC):
    r"""A closed convex function r whose prox has a closed form or is cheap.

    Parameters are numbers, or tensors ``(rows, 1)`` with one row for each row of the argument.

    To add a regularizer, derive a frozen dataclass whose fields are the parameters of r, and define :meth:`value`,
    :meth:`prox`, :meth:`min_norm_subgradient` and :meth:`free`; every method, learned optimizer and the solver then
    accept the regularizer. Where problems in one batch must agree in a parameter, such as the size of groups,
    :attr:`kind` names the parameter.

    Shape:
        x, v, gradient: ``(rows, d)``; a row is a node or a problem.

    Example:
        >>> @dataclass(frozen=True, eq=False)
        ... class Ridge(Regularizer):
        ...     weight: float | Tensor
        ...
        ...     def value(self, x):
        ...         return (0.5 * self.weight * x.square()).sum(dim=1)
        ...
        ...     def prox(self, v, step):
        ...         return v / (1 + step * self.weight)
        ...
        ...     def min_norm_subgradient(self, x, gradient):
        ...         return gradient + self.weight * x
        ...
        ...     def free(self, x):
        ...         return torch.ones_like(x, dtype=torch.bool)
        >>> Ridge(1.0).prox(torch.tensor([[2.0]]), 1.0)
        tensor([[1.]])
    """

    @abstractmethod
    def value(self, x: Tensor) -> Tensor:
        """Return r of every row: ``(rows, d)`` to ``(rows,)``; infinite outside the domain of r."""

    @abstractmethod
    def prox(self, v: Tensor, step: Tensor | float) -> Tensor:
        r"""Return :math:`\arg\min_x r(x) + \frac12 \|x - v\|^2_{\mathrm{Diag}(p)^{-1}}` (He et al. 2024, under (20)).

        Args:
            v: ``(rows, d)``.
            step: p > 0, a number, ``(rows, 1)`` or ``(rows, d)``.
        """

    @abstractmethod
    def min_norm_subgradient(self, x: Tensor, gradient: Tensor) -> Tensor:
        r"""Return the element of minimum norm of ``gradient`` :math:`+ \partial r(x)`: ``(rows, d)``.

        With ``gradient`` that of f at x, this is zero exactly where x minimizes f + r.
        """

    @abstractmethod
    def free(self, x: Tensor) -> Tensor:
        """Return where r is smooth around x, ``(rows, d)`` bool: the coordinates that Newton's method may change."""

    @property
    def kind(self) -> str:
        """What regularizers must have in common to be joined in one batch."""
        return type(self).__name__

    def at(self, rows: Tensor) -> Self:
        """Return the regularizer whose row k of parameters is this one's row ``rows[k]``."""
        changed = {k: v.index_select(0, rows) for k, v in vars(self).items() if isinstance(v, Tensor)}
        return dataclasses.replace(self, **changed) if changed else self

    def repeat(self, copies: int) -> Self:
        """Return the regularizer whose rows of parameters are this one's, ``copies`` times over."""
        changed = {k: v.repeat(copies, 1) for k, v in vars(self).items() if isinstance(v, Tensor)}
        return dataclasses.replace(self, **changed) if changed else self

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Self:
        """Return a copy on ``device``, with its tensors in ``dtype``."""
        changed = {k: v.to(device=device, dtype=dtype) for k, v in vars(self).items() if isinstance(v, Tensor)}
        return dataclasses.replace(self, **changed) if changed else self

    @staticmethod
    def concatenate(regularizers: Sequence[Regularizer], rows: Sequence[int]) -> Regularizer:
        """Join regularizers of one kind; the k-th is that of ``rows[k]`` rows.

        Raises:
            InputError: they are of different kinds.
        """
        first = regularizers[0]
        kinds = sorted({r.kind for r in regularizers})
        if len(kinds) > 1:
            raise InputError(f"problems with the regularizers {' and '.join(kinds)} cannot be joined in one batch")
        joined = {}
        for name, value in vars(first).items():
            values = [getattr(r, name) for r in regularizers]
            if isinstance(value, Tensor) or any(v != value for v in values):
                columns = [torch.as_tensor(v, dtype=torch.float64).reshape(-1, 1) for v in values]
                joined[name] = torch.cat([c.expand(n, 1) for c, n in zip(columns, rows, strict=True)])
        return dataclasses.replace(first, **joined) if joined else first


@dataclass(frozen=True, eq=False)
class Zero(Regularizer):
    """r(x) = 0: a smooth problem."""

    def value(self, x: Tensor) -> Tensor:
        return x.new_zeros(x.size(0))

    def prox(self, v: Tensor, step: Tensor | float) -> Tensor:
        return v

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

    def min_norm_subgradient(self, x: Tensor, gradient: Tensor) -> Tensor:
        gradient = gradient + self.l2 * x
        return torch.where(x == 0, _soft(gradient, self.l1), gradient + self.l1 * x.sign())

    def free(self, x: Tensor) -> Tensor:
        return x != 0


@dataclass(frozen=True, eq=False)
class L1(Regularizer):
    r""":math:`r(x) = \lambda \|x\|_1`, whose prox is soft thresholding at :math:`p \lambda`.

    Attributes:
        weight: :math:`\lambda \ge 0`.
    """

    weight: float | Tensor

    def __post_init__(self) -> None:
        _check_not_negative(self)

    def value(self, x: Tensor) -> Tensor:
        return (self.weight * x.abs()).sum(dim=1)

    def prox(self, v: Tensor, step: Tensor | float) -> Tensor:
        return _soft(v, step * self.weight)

    def min_norm_subgradient(self, x: Tensor, gradient: Tensor) -> Tensor:
        return torch.where(x == 0, _soft(gradient, self.weight), gradient + self.weight * x.sign())

    def free(self, x: Tensor) -> Tensor:
        return x != 0


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
        if torch.any(torch.as_tensor(self.lower, dtype=torch.float64) > self.upper):
            raise InputError(f"a box has lower <= upper, got lower={self.lower}, upper={self.upper}")

    def value(self, x: Tensor) -> Tensor:
        # The average of feasible points may leave the box by a rounding error, so the check has a tolerance.
        tolerance = 1e-9 * (1 + x.abs())
        outside = ((x < self.lower - tolerance) | (x > self.upper + tolerance)).any(dim=1)
        return torch.where(outside, torch.inf, 0.0).to(x)

    def prox(self, v: Tensor, step: Tensor | float) -> Tensor:
        return v.clamp(_like(v, self.lower), _like(v, self.upper))

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
        if torch.any(torch.as_tensor(value) < 0):
            raise InputError(f"{type(regularizer).__name__} needs {name} >= 0, got {value}")
