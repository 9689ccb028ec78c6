"""The base class of regularizers r, with their prox in a diagonal metric."""

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

    def prox_derivative(self, x: Tensor, step: Tensor | float) -> Tensor | None:
        r"""Return the derivatives of the prox in each coordinate, ``(rows, d)``, or ``None`` if r is not separable.

        Optional: local solves of linear models then are by Newton's method, otherwise by prox-gradient steps.

        Args:
            x: the prox at the point where the derivatives are taken; there it may be one of several generalized ones.
            step: p, as in :meth:`prox`.
        """
        return None

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
                numbers = [torch.as_tensor(v, dtype=torch.float64) for v in values]
                tables = [v if v.dim() == 2 else v.reshape(1, -1) for v in numbers]
                joined[name] = torch.cat([v.expand(n, -1) for v, n in zip(tables, rows, strict=True)])
        return dataclasses.replace(first, **joined) if joined else first
