"""Local solves of any smooth loss, by accelerated prox-gradient steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gnn_l2o.problems.local_solve.tolerance import warn_unfinished

if TYPE_CHECKING:
    from gnn_l2o.problems.problem import Problem

MAX_STEPS = 20_000
ROUNDING = 16  # units in the last place of the terms of a step within which it is zero


def proximal_solve(
    problem: Problem, center: Tensor, weight: Tensor | float, start: Tensor, *, steps: int | None, tolerance: float
) -> Tensor:
    r"""Minimize :math:`f_i(x) + r(x) + \frac12 \|x - c_i\|^2_{\mathrm{Diag}(w_i)}` by accelerated prox-gradient steps.

    .. math::
        x^+ &= \operatorname{prox}_{r, \mathrm{Diag}(1 / (h_i + w_i))}
               \Bigl(\frac{h_i v - \nabla f_i(v) + w_i c_i}{h_i + w_i}\Bigr) \\
        v^+ &= x^+ + b_i (x^+ - x), \qquad b_i = \frac{1 - \sqrt{q_i}}{1 + \sqrt{q_i}}, \quad
               q_i = \min_k \frac{w_{ik}}{h_{ik} + w_{ik}}

    with h_i a diagonal bound of the Hessian (:meth:`.Problem.diagonal_bound`) and the quadratic term treated exactly:
    Nesterov's constant momentum for a strong convexity :math:`q_i` relative to the metric. A node's momentum is left
    out of a step after which it points uphill, :math:`\langle v - x^+, x^+ - x \rangle > 0` in the metric (O'Donoghue,
    Candes 2015, the gradient scheme). See :meth:`.Problem.local_solve` for the arguments.
    """
    bound = problem.diagonal_bound().to(center)
    total = bound + weight  # (N, 1) or (N, d)
    root = (weight / total).amin(dim=1, keepdim=True).sqrt()
    momentum = (1 - root) / (1 + root)
    noise = ROUNDING * torch.finfo(center.dtype).eps
    x = v = start
    left = torch.ones_like(root, dtype=torch.bool)
    for _ in range(MAX_STEPS if steps is None else steps):
        problem.calls.solve_gradients += 1
        gradient = problem.local_gradient(v)
        new = problem.node_regularizer.prox((bound * v - gradient + weight * center) / total, 1 / total)
        step = total * (new - v)
        if steps is None:
            # The residual at x+ is this step and the change of the gradient along it, which is not longer.
            terms = _norm(gradient) + _norm(weight * (new - center))
            left = 2 * _norm(step) > tolerance * terms + noise * _norm(total * v)
            if not bool(left.any()):
                return new
        uphill = (step * (new - x)).sum(dim=1, keepdim=True) < 0
        x, v = new, new + torch.where(uphill, 0.0, momentum) * (new - x)
    if steps is None:
        warn_unfinished("accelerated prox-gradient", int(left.sum()), MAX_STEPS)
    return x


def _norm(v: Tensor) -> Tensor:
    return torch.linalg.vector_norm(v, dim=1, keepdim=True)
