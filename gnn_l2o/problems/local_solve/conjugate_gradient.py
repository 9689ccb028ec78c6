"""Systems with the Hessian of any smooth loss, by conjugate gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gnn_l2o.problems.local_solve.tolerance import SOLVE_TOLERANCE, warn_unfinished

if TYPE_CHECKING:
    from gnn_l2o.problems.problem import Problem

ROUNDING = 16  # units in the last place of the right-hand side within which a residual is one of rounding


def conjugate_gradient_solve(problem: Problem, x: Tensor, right: Tensor, metric: Tensor) -> Tensor:
    r"""Solve the systems of all nodes; see :meth:`.Problem.hessian_solve`.

    In the unknown u of :math:`v = \sqrt D u` the matrix is :math:`I + \sqrt D \nabla^2 f_i \sqrt D`, whose smallest
    eigenvalue is at least 1. Says by a warning where the tolerance was missed.
    """
    root = metric.sqrt()

    def product(u: Tensor) -> Tensor:
        problem.calls.solve_gradients += 1
        image: Tensor = torch.func.jvp(problem.local_gradient, (x,), (root * u,))[1]
        return u + root * image

    residual = direction = root * right
    solution = torch.zeros_like(residual)
    square = residual.square().sum(dim=1, keepdim=True)
    tolerance = max(SOLVE_TOLERANCE, ROUNDING * torch.finfo(x.dtype).eps)
    target = tolerance**2 * square
    steps = 2 * x.size(1)
    for _ in range(steps):
        if not bool((square > target).any()):
            break
        image = product(direction)
        curvature = (direction * image).sum(dim=1, keepdim=True)
        length = torch.where(square > target, square / curvature, 0.0)
        solution, residual = solution + length * direction, residual - length * image
        new = residual.square().sum(dim=1, keepdim=True)
        direction = residual + torch.where(square > target, new / square, 0.0) * direction
        square = new
    left = int((square > target).sum())
    if left:
        warn_unfinished("conjugate gradients", left, steps)
    return root * solution
