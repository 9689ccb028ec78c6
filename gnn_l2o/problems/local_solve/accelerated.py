"""Local solves of any smooth loss, by accelerated prox-gradient steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from gnn_l2o.problems.problem import Problem

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
