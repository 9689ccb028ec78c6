r"""Newton systems of linear models, by matrices of m numbers a side where m < d and of d numbers otherwise.

The Hessian of a linear model is :math:`A^\top H A`, with A ``(m, d)`` a node's features and H the diagonal matrix of
its samples' curvatures (:math:`\ell'' / m_i`). D is a diagonal matrix of d numbers :math:`\ge 0`; a coordinate of
which it is zero is fixed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from gnn_l2o.problems.local_solve.samples import Samples


class System(ABC):
    r"""The Newton systems of all nodes for one H and one D.

    Shape:
        N nodes, m samples, d coordinates; k = m or d unknowns of the fixed-point equation.
    """

    @abstractmethod
    def direction(self, residual: Tensor) -> Tensor:
        """Return the step to the fixed point of the linearized equation: ``(N, k)`` to ``(N, k)``."""

    @abstractmethod
    def inverse(self, v: Tensor) -> Tensor:
        r"""Return :math:`(A^\top H A + D^{-1})^{-1} v` over the coordinates that are not fixed: ``(N, d)``."""


class SampleSystem(System):
    r"""Factors :math:`I + \sqrt H A D A^\top \sqrt H`, m numbers a side (Woodbury's identity)."""

    def __init__(self, samples: Samples, curvature: Tensor, metric: Tensor) -> None:
        self._samples, self._metric = samples, metric
        self._root = curvature.sqrt()
        self._gram = samples.gram(metric)
        matrix = self._root.unsqueeze(2) * self._gram * self._root.unsqueeze(1)
        self._factor = _factor_shifted(matrix)

    def direction(self, residual: Tensor) -> Tensor:
        # (I + K H)^-1 = I - K sqrt(H) (I + sqrt(H) K sqrt(H))^-1 sqrt(H), with K = A D A'
        inner = self._root * _solve(self._factor, self._root * residual)
        return residual - (self._gram @ inner.unsqueeze(2)).squeeze(2)

    def inverse(self, v: Tensor) -> Tensor:
        scaled = self._metric * v
        inner = self._root * _solve(self._factor, self._root * self._samples.products(scaled))
        return scaled - self._metric * self._samples.sums(inner)


class CoordinateSystem(System):
    r"""Factors :math:`I + \sqrt D A^\top H A \sqrt D`, d numbers a side."""

    def __init__(self, hessian: Tensor, metric: Tensor) -> None:
        self._hessian = hessian
        self._root = metric.sqrt()
        self._factor = _factor_shifted(self._root.unsqueeze(2) * hessian * self._root.unsqueeze(1))

    def direction(self, residual: Tensor) -> Tensor:
        # (I + D G)^-1 = I - sqrt(D) (I + sqrt(D) G sqrt(D))^-1 sqrt(D) G, with G = A'HA
        return residual - self.inverse((self._hessian @ residual.unsqueeze(2)).squeeze(2))

    def inverse(self, v: Tensor) -> Tensor:
        return self._root * _solve(self._factor, self._root * v)


def _factor_shifted(matrix: Tensor) -> Tensor:
    """Return the Cholesky factors of I + matrix, with matrix positive semidefinite; overwrites it."""
    matrix.diagonal(dim1=1, dim2=2).add_(1)
    return torch.linalg.cholesky_ex(matrix).L  # does not raise where a run has diverged and numbers are not finite


def _solve(factor: Tensor, right: Tensor) -> Tensor:
    return torch.cholesky_solve(right.unsqueeze(2), factor).squeeze(2)
