"""Derivatives of local solves by the implicit function theorem."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError

if TYPE_CHECKING:
    from gnn_l2o.problems.problem import Problem


class ImplicitSolve(torch.autograd.Function):
    r"""The solution x of :meth:`.Problem.local_solve` as a differentiable function of c and w.

    Differentiating :math:`\nabla f_i(x) + \partial r(x) + w \odot (x - c) \ni 0` gives

    .. math::
        \mathrm{d} x = M (w \odot \mathrm{d} c + (c - x) \odot \mathrm{d} w), \qquad
        M = (\nabla^2 f_i(x) + D^{-1})^{-1},

    with D the derivative of the prox of r at x in the metric of w, over w; where it is zero the prox fixes the
    coordinate and M is zero. M is symmetric, so that one system with it serves back-propagation, whatever number of
    iterations the solution took.
    """

    @staticmethod
    def forward(ctx: Any, center: Tensor, weight: Tensor, start: Tensor, problem: Problem, tolerance: float) -> Tensor:
        x = problem.uncounted_local_solve(center, weight, start, steps=None, tolerance=tolerance)
        ctx.problem = problem
        ctx.save_for_backward(center, weight, x)
        return x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        center, weight, x = ctx.saved_tensors
        problem: Problem = ctx.problem
        derivative = problem.node_regularizer.prox_derivative(x, 1 / weight)
        assert derivative is not None  # implicit_solve has checked it
        adjoint = problem.hessian_solve(x, gradient, derivative / weight)
        of_weight = (center - x) * adjoint
        if weight.size(1) == 1:
            of_weight = of_weight.sum(dim=1, keepdim=True)
        return weight * adjoint, of_weight, None, None, None


def implicit_solve(problem: Problem, center: Tensor, weight: Tensor, start: Tensor, tolerance: float) -> Tensor:
    """Return the solution of :meth:`.Problem.local_solve`, differentiable in c and w, ``(N, d)``.

    Raises:
        InputError: the regularizer is not separable, so that the derivative of its prox is not known.
    """
    if problem.node_regularizer.prox_derivative(start, 1.0) is None:
        kind = type(problem.node_regularizer).__name__
        raise InputError(f"exact local solves are differentiable with a separable regularizer only, got {kind}")
    solution: Tensor = ImplicitSolve.apply(center, weight, start, problem, tolerance)  # type: ignore[no-untyped-call]
    return solution
