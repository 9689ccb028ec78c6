"""Rastrigin functions: quadratics with waves, which have many local minima."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from gnn_l2o.problems.differentiable import Differentiable


def rastrigin(x: Tensor, matrix: Tensor, target: Tensor, weight: Tensor, height: Tensor) -> Tensor:
    """Return f of :class:`Rastrigin` for one node.

    Args:
        x: ``(d,)``.
        matrix: A, ``(m, d)``.
        target: b, ``(m,)``.
        weight: c, ``(d,)``.
        height: alpha, ``()``.
    """
    waves = height * weight @ torch.cos(2 * math.pi * x)
    return 0.5 * (matrix @ x - target).square().sum() - waves + height * x.numel()


@dataclass(frozen=True, eq=False, kw_only=True)
class Rastrigin(Differentiable):
    r"""Losses :math:`f_i(x) = \frac12 \|A_i x - b_i\|^2 - \alpha c_i^\top \cos(2 \pi x) + \alpha d`.

    The functions of Cao et al. (2019, arXiv:1911.03787), with data of its own at every node. Their minimum is unknown;
    :meth:`lower_bound` takes its place. ``from_nodes(rastrigin, [(A_i, b_i, c_i, alpha), ...])`` builds one problem.
    """

    def lower_bound(self) -> Tensor:
        r"""Return :math:`\min_x \frac1N \sum_i \frac12 \|A_i x - b_i\|^2 + \alpha d - \alpha \|\bar c\|_1`: ``(B,)``.

        The first part is the minimum of the quadratics, the rest bounds the waves, :math:`\bar c` the mean of the c_i.
        """
        return self._lower_bound

    @cached_property
    def _lower_bound(self) -> Tensor:
        normal, right, constant, weights, level = (
            self.average(torch.stack(rows).reshape(self.num_nodes, -1))
            for rows in zip(*(_terms(*arguments) for arguments in self.data), strict=True)
        )
        matrix = normal.reshape(-1, self.dim, self.dim)
        solution = (torch.linalg.pinv(matrix, hermitian=True) @ right.unsqueeze(2)).squeeze(2)
        quadratic = (constant.squeeze(1) - 0.5 * (solution * right).sum(dim=1)).clamp(min=0)
        return quadratic + level.squeeze(1) - weights.abs().sum(dim=1)


def _terms(matrix: Tensor, target: Tensor, weight: Tensor, height: Tensor) -> tuple[Tensor, ...]:
    """Return A'A, A'b, b'b/2, alpha c and alpha d of one node."""
    constant = 0.5 * target.square().sum()
    return (
        matrix.T @ matrix,
        matrix.T @ target,
        constant.reshape(1),
        height * weight,
        height.reshape(1) * weight.numel(),
    )
