"""Losses of linear models, where node i fits a_ij'x to b_ij: what least squares and logistic regression share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.problems.finite_sum import FiniteSum, check_finite, check_shape, shape_of, stacked
from gnn_l2o.problems.local_solve.newton import DualNewton, hessian_solve
from gnn_l2o.problems.local_solve.samples import Samples
from gnn_l2o.problems.regularizer import Regularizer


@dataclass(frozen=True, eq=False, kw_only=True)
class LinearModel(FiniteSum):
    r"""Losses :math:`f_i(x) = \frac{1}{m_i} \sum_{j=1}^{m_i} \ell(a_{ij}^\top x, b_{ij})`, see :class:`.FiniteSum`.

    :meth:`from_nodes` builds one from the arrays of each node.

    Attributes:
        features: ``(M, m, d)``, entry (i, j) holds :math:`a_{ij}`.
        targets: ``(M, m)``, entry (i, j) holds :math:`b_{ij}`.

    Shape:
        N nodes (of all problems together), M nodes whose data is stored, m the largest number of samples of a node,
        B problems, d coordinates.

    Raises:
        InputError: inconsistent shapes, or data that is not finite.
    """

    #: An upper bound of the second derivative of l in its first argument.
    curvature_bound: ClassVar[float]
    #: Whether that derivative is the same everywhere.
    constant_curvature: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.features.dim() != 3 or 0 in self.features.shape:
            raise InputError(f"features must be (nodes, samples, coordinates), got {shape_of(self.features)}")
        check_shape("targets", self.targets, self.sizes)
        super().__post_init__()
        check_finite("features", self.features)
        check_finite("targets", self.targets)

    @classmethod
    def from_nodes(
        cls, features: Sequence[ArrayLike | Tensor], targets: Sequence[ArrayLike | Tensor], regularizer: Regularizer
    ) -> Self:
        """Return one problem, in float64, from the data of its nodes.

        Args:
            features: one array ``(m_i, d)`` for each node.
            targets: one array ``(m_i,)`` for each node.
            regularizer: r.

        Raises:
            InputError: a node has no samples, other shapes than these, or data that is not finite.
        """
        a = [torch.as_tensor(f, dtype=torch.float64) for f in features]
        b = [torch.as_tensor(t, dtype=torch.float64) for t in targets]
        if not a or len(a) != len(b):
            raise InputError(f"expected features and targets of every node, got {len(a)} and {len(b)} arrays")
        for i, (f, t) in enumerate(zip(a, b, strict=True)):
            if f.dim() != 2 or 0 in f.shape or f.size(1) != a[0].size(1):
                expected = f"(samples, {a[0].size(1)})" if i and a[0].dim() == 2 else "(samples, coordinates)"
                raise InputError(f"features of node {i} must be {expected}, got {shape_of(f)}")
            check_shape(f"targets of node {i}", t, (f.size(0),))
        samples, count = stacked(a)
        return cls(
            regularizer=regularizer,
            batch=torch.zeros(len(a), dtype=torch.long),
            features=samples,
            targets=stacked(b)[0],
            count=count,
        )

    @staticmethod
    @abstractmethod
    def sample_loss(prediction: Tensor, target: Tensor) -> Tensor:
        """Return l, elementwise."""

    @staticmethod
    @abstractmethod
    def sample_slope(prediction: Tensor, target: Tensor) -> Tensor:
        """Return the derivative of l in its first argument, elementwise."""

    @staticmethod
    @abstractmethod
    def sample_curvature(prediction: Tensor, target: Tensor) -> Tensor:
        """Return the second derivative of l in its first argument, elementwise."""

    @property
    def dim(self) -> int:
        return self.features.size(2)

    def loss(self, x: Tensor) -> Tensor:
        value = self.sample_loss(self._predict(x), self.targets.unsqueeze(1))  # (M, copies, m)
        return (self.weight.unsqueeze(1) * value).sum(dim=2).t().reshape(-1, 1)

    def objective_at_nodes(self, x: Tensor) -> Tensor:
        if self.holders is not None:
            return super().objective_at_nodes(x)
        stored = self.features.size(0)
        means, first = [], 0
        for points in torch.split(x, self._sizes.squeeze(1).tolist()):  # the nodes of a problem are contiguous rows
            own = slice(first % stored, first % stored + len(points))
            first += len(points)
            means.append(self._total_loss(points, own) / len(points))
        return torch.cat(means) + self.node_regularizer.value(x)

    def total_loss(self, points: Tensor) -> Tensor:
        return self._total_loss(points, slice(None))

    def _total_loss(self, points: Tensor, own: slice) -> Tensor:
        """Return the sum of f_i over some of the stored nodes, n, at each point: ``(k, d)`` to ``(k,)``."""
        predicted = points @ self.features[own].flatten(0, 1).t()  # (k, n m)
        losses = self.sample_loss(predicted, self.targets[own].flatten())
        return losses @ self.weight[own].flatten()

    def local_gradient(self, x: Tensor) -> Tensor:
        slope = self.sample_slope(self._predict(x), self.targets.unsqueeze(1))  # (M, copies, m)
        return ((self.weight.unsqueeze(1) * slope) @ self.features).transpose(0, 1).reshape(x.shape)

    def smoothness(self) -> Tensor:
        r"""Return :math:`L_i = \frac{c}{m_i} \lambda_{\max}(A_i^\top A_i)`, exactly, c the bound of l'': ``(N, 1)``."""
        return self._smoothness

    def mean_curvature(self) -> Tensor:
        r"""Return :math:`\frac{c}{m_i d} \|A_i\|_F^2`, c the bound of l'': ``(N, 1)``."""
        return self._mean_curvature

    def hessian(self, x: Tensor, problem: int, free: Tensor) -> Tensor:
        nodes = (self.batch == problem).nonzero().squeeze(1) % self.features.size(0)
        features, targets = self.features[nodes], self.targets[nodes]
        curvature = self.weight[nodes] * self.sample_curvature(features @ x, targets) / nodes.numel()
        columns = features[:, :, free].flatten(0, 1)  # (samples of all nodes, k)
        return columns.t() @ (curvature.reshape(-1, 1) * columns)

    def hessian_diagonal(self, x: Tensor) -> Tensor:
        self.calls.solve_gradients += 1
        return self.samples.hessian_diagonal(x)

    def curvature_at(self, x: Tensor) -> Tensor:
        if self.constant_curvature:
            return self.mean_curvature()
        return self.hessian_diagonal(x).mean(dim=1, keepdim=True)

    def diagonal_bound(self) -> Tensor:
        r"""Return :math:`c \mu_i \operatorname{diag}(H_i)`, ``(N, d)``.

        c is the bound of l'', :math:`H_i = A_i^\top A_i / m_i`, and :math:`\mu_i` the largest eigenvalue of
        :math:`\operatorname{diag}(H_i)^{-1/2} H_i \operatorname{diag}(H_i)^{-1/2}`.
        """
        return self._diagonal_bound

    def uncounted_local_solve(
        self, center: Tensor, weight: Tensor, start: Tensor, *, steps: int | None, tolerance: float
    ) -> Tensor:
        separable = self.node_regularizer.prox_derivative(start, 1.0) is not None
        if steps is not None or not separable:
            return super().uncounted_local_solve(center, weight, start, steps=steps, tolerance=tolerance)
        return DualNewton(self, center, weight, tolerance).solve(start)

    def hessian_solve(self, x: Tensor, right: Tensor, metric: Tensor) -> Tensor:
        return hessian_solve(self, x, right, metric)

    @cached_property
    def samples(self) -> Samples:
        """The samples with one row for each node, and the Newton systems that are kept."""
        return Samples(self)

    def _predict(self, x: Tensor) -> Tensor:
        """Return a_ij'x of every sample and copy, ``(M, copies, m)``."""
        # One matrix product a node, over all copies at once, with x on the left: for the few rows of x, this measured
        # 2 to 4 times faster than A x, and storing the transpose of A gained nothing.
        rows = x.reshape(self.copies, -1, self.dim).transpose(0, 1)  # (M, copies, d)
        return rows @ self.features.transpose(1, 2)

    @cached_property
    def _mean_curvature(self) -> Tensor:
        sizes = self.features.square().mean(dim=2)  # (M, m)
        mean = (self.weight * sizes).sum(dim=1, keepdim=True)
        return self.curvature_bound * mean.repeat(self.copies, 1)

    @cached_property
    def _smoothness(self) -> Tensor:
        largest = _largest_eigenvalue(self.weight.sqrt().unsqueeze(2) * self.features)
        return self.curvature_bound * largest.repeat(self.copies, 1)

    @cached_property
    def _diagonal_bound(self) -> Tensor:
        a = self.weight.sqrt().unsqueeze(2) * self.features
        diagonal = a.square().sum(dim=1)  # (M, d)
        norms = torch.where(diagonal > 0, diagonal, 1.0).sqrt().unsqueeze(1)
        return self.curvature_bound * (_largest_eigenvalue(a / norms) * diagonal).repeat(self.copies, 1)


def _largest_eigenvalue(a: Tensor) -> Tensor:
    """Return the largest eigenvalue of A'A: ``(M, m, d)`` to ``(M, 1)``."""
    gram = a @ a.transpose(1, 2) if a.size(1) <= a.size(2) else a.transpose(1, 2) @ a
    return torch.linalg.eigvalsh(gram)[:, -1:]
