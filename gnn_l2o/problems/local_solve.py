"""Local solves of any smooth loss: the prox of f_i + r by accelerated prox-gradient steps, and Newton systems."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from gnn_l2o.problems.problem import Problem

SOLVE_TOLERANCE = 1e-12
MAX_STEPS = 20_000


def proximal_solve(
    problem: Problem, center: Tensor, weight: Tensor | float, start: Tensor, *, steps: int | None, tolerance: float
) -> Tensor:
    r"""Minimize :math:`f_i(x) + r(x) + \frac12 \|x - c_i\|^2_{\mathrm{Diag}(w_i)}` by accelerated prox-gradient steps.

    .. math::
        x^+ &= \operatorname{prox}_{r, \mathrm{Diag}(1 / (L_i + w_i))}
               \Bigl(\frac{L_i v - \nabla f_i(v) + w_i c_i}{L_i + w_i}\Bigr) \\
        v^+ &= x^+ + b_i (x^+ - x), \qquad b_i = \frac{1 - \sqrt{q_i}}{1 + \sqrt{q_i}}, \quad
               q_i = \min_k \frac{w_{ik}}{L_i + w_{ik}}

    (Nesterov 2004, constant momentum for a strong convexity :math:`q_i` relative to the metric), with the quadratic
    term treated exactly. See :meth:`.Problem.local_solve` for the arguments.
    """
    smoothness = problem.smoothness().to(center)
    total = smoothness + weight  # (N, 1) or (N, d)
    root = ((weight / total) * torch.ones_like(total)).amin(dim=1, keepdim=True).sqrt()
    momentum = (1 - root) / (1 + root)
    x = v = start
    scale = None
    for _ in range(MAX_STEPS if steps is None else steps):
        problem.calls.solve_gradients += 1
        gradient = problem.local_gradient(v)
        new = problem.node_regularizer.prox((smoothness * v - gradient + weight * center) / total, 1 / total)
        if steps is None:
            scale = gradient.norm(dim=1, keepdim=True) if scale is None else scale
            moved = (total * (new - v)).norm(dim=1, keepdim=True)
            if not bool((moved > tolerance * scale).any()):
                return new
        x, v = new, new + momentum * (new - x)
    return x


def conjugate_gradient_solve(problem: Problem, x: Tensor, right: Tensor, shift: Tensor | float) -> Tensor:
    """Solve the Newton systems of all nodes by conjugate gradients; see :meth:`.Problem.newton_solve`."""

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
