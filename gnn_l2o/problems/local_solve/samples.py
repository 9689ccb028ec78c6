"""The samples of a linear model with one row for each node, as its local solves use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gnn_l2o.problems.local_solve.systems import CoordinateSystem, SampleSystem, System

if TYPE_CHECKING:
    from gnn_l2o.problems.linear_model import LinearModel

CHUNK = 2**22  # numbers of scaled features held at once while Hessians are assembled


class Samples:
    """Products, losses and Newton systems of all nodes.

    Args:
        model: the losses.

    Attributes:
        by_samples: whether there are fewer samples than coordinates, so that systems have m numbers a side.

    Shape:
        N nodes, M nodes whose data is stored, C copies of them, m samples, d coordinates; k = m ``by_samples``, else d.
    """

    def __init__(self, model: LinearModel) -> None:
        self._model, self._features = model, model.features
        self._copies = model.copies
        self._weight = model.weight.repeat(model.copies, 1)  # (N, m)
        self._targets = model.targets.repeat(model.copies, 1)
        _, samples, dim = model.features.shape
        self.by_samples = samples < dim
        # One factorization is enough: penalties are constant, or change for good.
        self._last: tuple[Tensor, System] | None = None
        self._hessian: Tensor | None = None

    def products(self, x: Tensor) -> Tensor:
        """Return A x: ``(N, d)`` to ``(N, m)``."""
        return self._apply(x, self._features.transpose(1, 2))

    def sums(self, u: Tensor) -> Tensor:
        """Return A'u: ``(N, m)`` to ``(N, d)``."""
        return self._apply(u, self._features)

    def losses(self, prediction: Tensor) -> Tensor:
        """Return every sample's part of f_i: ``(N, m)``."""
        return self._weight * self._model.sample_loss(prediction, self._targets)

    def slopes(self, prediction: Tensor) -> Tensor:
        """Return the derivatives of the losses: ``(N, m)``."""
        return self._weight * self._model.sample_slope(prediction, self._targets)

    def curvatures(self, prediction: Tensor) -> Tensor:
        """Return H, the second derivatives of the losses: ``(N, m)``."""
        return self._weight * self._model.sample_curvature(prediction, self._targets)

    def slope_change(self, before: Tensor, after: Tensor) -> Tensor:
        """Return the mean square of the change of l' from predictions to others, over the bound of l'': ``(N, 1)``."""
        change = self._model.sample_slope(after, self._targets) - self._model.sample_slope(before, self._targets)
        return (self._weight * change.square()).sum(dim=1, keepdim=True) / self._model.curvature_bound

    def slope(self, residual: Tensor) -> Tensor:
        """Return H or A'HA, which are constant, times ``(N, k)``; see :meth:`.System.slope`."""
        if self.by_samples:
            return self._weight * residual
        return self._apply(self._weight * self.products(residual), self._features)

    def hessian_diagonal(self, x: Tensor) -> Tensor:
        """Return the diagonal of A'HA at x: ``(N, d)`` to ``(N, d)``."""
        return self._apply(self.curvatures(self.products(x)), self._features.square())

    def system(self, prediction: Tensor, metric: Tensor) -> System:
        """Return the Newton systems at predictions ``(N, m)`` for D, ``(N, d)``.

        Where the curvatures are constant, the systems for the last D are kept.
        """
        if not self._model.constant_curvature:
            return self._factor(self.curvatures(prediction), metric)
        if self._last is None or not torch.equal(self._last[0], metric):
            self._last = (metric, self._factor(self.curvatures(prediction), metric))
        return self._last[1]

    def _factor(self, curvature: Tensor, metric: Tensor) -> System:
        if self.by_samples:
            return SampleSystem(self, curvature, metric)
        return CoordinateSystem(self.hessian(curvature), metric)

    def hessian(self, curvature: Tensor) -> Tensor:
        """Return A'HA: ``(N, m)`` to ``(N, d, d)``."""
        if not self._model.constant_curvature:
            return self._assemble(curvature)
        if self._hessian is None:
            self._hessian = self._assemble(curvature[: len(self._features)], 1).repeat(self._copies, 1, 1)
        return self._hessian

    def _assemble(self, curvature: Tensor, copies: int | None = None) -> Tensor:
        features = self._features
        by_copy = curvature.reshape(copies or self._copies, *features.shape[:2], 1)
        chunk = max(1, CHUNK // features.numel())
        parts = [(part * features).transpose(2, 3) @ features for part in torch.split(by_copy, chunk)]
        return torch.cat(parts).flatten(0, 1)

    def gram(self, metric: Tensor) -> Tensor:
        """Return A D A': ``(N, d)`` to ``(N, m, m)``."""
        nodes, samples, dim = self._features.shape
        # The copies' rows side by side make one matrix product a node, without copies of the features.
        by_node = metric.reshape(self._copies, nodes, 1, dim).transpose(0, 1)
        scaled = (by_node * self._features.unsqueeze(1)).flatten(1, 2)  # (M, C m, d)
        product = scaled @ self._features.transpose(1, 2)
        return product.reshape(nodes, self._copies, samples, samples).transpose(0, 1).reshape(-1, samples, samples)

    def _apply(self, rows: Tensor, matrix: Tensor) -> Tensor:
        """Multiply the row of every node with its matrix, ``(M, j, k)``: ``(N, j)`` to ``(N, k)``."""
        by_node = rows.reshape(self._copies, matrix.size(0), -1).transpose(0, 1)  # (M, C, j)
        return (by_node @ matrix).transpose(0, 1).reshape(rows.size(0), -1)
