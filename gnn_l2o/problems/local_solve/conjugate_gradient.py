"""Newton systems of any smooth loss, by conjugate gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gnn_l2o.problems.local_solve.tolerance import SOLVE_TOLERANCE

if TYPE_CHECKING:
    from gnn_l2o.problems.problem import Problem


def conjugate_gradient_solve(problem: Problem, x: Tensor, right: Tensor, shift: Tensor | float) -> Tensor:
    """Solve the Newton systems of all nodes; see :meth:`.Problem.newton_solve`."""

    def product(v: Tensor) -> Tensor:
        problem.calls.solve_gradients += 1
        hessian_v: Tensor = torch.func.jvp(problem.local_gradient, (x,), (v,))[1]
        return hessian_v + shift * v

    solution = torch.zeros_like(right)
    residual = direction = right
    square = residual.square().sum(dim=1, keepdim=True)
    target = SOLVE_TOLERANCE**2 * square
    for _ in range(2 * x.size(1)):
        if not bool((square > target).any()):
            break
        image = product(direction)
        curvature = (direction * image).sum(dim=1, keepdim=True)
        length = torch.where(square > target, square / curvature, 0.0)
        solution, residual = solution + length * direction, residual - length * image
        new = residual.square().sum(dim=1, keepdim=True)
        direction = residual + torch.where(square > target, new / square, 0.0) * direction
        square = new
    return solution
