"""Local solves of any smooth loss whose Hessians fit into memory, by Newton's method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

from gnn_l2o.problems.least_squares import LeastSquares
from gnn_l2o.problems.local_solve.tolerance import warn_unfinished

if TYPE_CHECKING:
    from gnn_l2o.problems.differentiable import Differentiable

MAX_STEPS = 50
MAX_HALVINGS = 30  # of a step
ARMIJO = 1e-4  # share of the promised decrease that a step must bring
ROUNDING = 16  # units in the last place of the terms of a sum within which it is zero
MAX_SHARE = 0.99  # of the metric that makes up for negative curvature
SLOW = 0.03  # relative residual after a step above which the Hessian is computed anew
NEAR = 1e-6  # relative residual below which an iteration that stalls is at its rounding errors


@dataclass(frozen=True, eq=False)
class _Model:
    """The second-order terms of the losses around a point, with S_i added to their Hessians, as least squares."""

    losses: LeastSquares
    root: Tensor  # (N, d, d), R_i
    shift: Tensor  # (N, d), the diagonal of S_i

    @classmethod
    def at(cls, problem: Differentiable, x: Tensor, weight: Tensor) -> Self:
        problem.calls.solve_gradients += x.size(1)
        # Where a run diverges, the gradients are not finite either, which ends the solve.
        hessian = problem.hessians(x).nan_to_num(0.0, 0.0, 0.0)
        scale = weight.sqrt().expand_as(x)
        values, vectors = torch.linalg.eigh(hessian / (scale.unsqueeze(2) * scale.unsqueeze(1)))
        share = -values[:, :1].clamp(min=-MAX_SHARE, max=0)
        root = (values + share).clamp(min=0).sqrt().unsqueeze(2) * vectors.transpose(1, 2) * scale.unsqueeze(1)
        losses = LeastSquares(
            regularizer=problem.regularizer,
            batch=problem.batch,
            features=x.size(1) ** 0.5 * root,  # the loss of least squares is a mean
            targets=torch.zeros_like(x),
            count=torch.full((len(x), 1), x.size(1), device=x.device),
        )
        return cls(losses, root, share * weight.expand_as(x))

    def minimizer(self, x: Tensor, gradient: Tensor, center: Tensor, weight: Tensor, tolerance: float) -> Tensor:
        """Return u for the gradients at x, ``(N, d)``."""
        image = (self.root.transpose(1, 2) @ (self.root @ x.unsqueeze(2))).squeeze(2)  # (H_i + S_i) x_i
        left = weight - self.shift
        center = (weight * center - self.shift * x - gradient + image) / left
        return self.losses.uncounted_local_solve(center, left, x, steps=None, tolerance=tolerance)


@dataclass
class KeptModel:
    """The model of the last local solve of a problem, which serves the next ones for as long as it is good enough."""

    value: _Model | None = None


def proximal_newton(
    problem: Differentiable, center: Tensor, weight: Tensor, start: Tensor, *, tolerance: float
) -> Tensor:
    r"""Minimize :math:`f_i(x) + r(x) + \frac12 \|x - c_i\|^2_{\mathrm{Diag}(w_i)}` by proximal Newton steps.

    .. math::
        u &= \arg\min_u \langle \nabla f_i(x), u \rangle + \tfrac12 \|u - x\|^2_{H_i} + r(u)
             + \tfrac12 \|u - c_i\|^2_{\mathrm{Diag}(w_i)} \\
        x^+ &= x + t (u - x)

    (Lee, Sun, Saunders 2014, SIAM J. Optim. 24(3)), with t the first of 1, 1/2, 1/4, ... with a sufficient decrease,
    and :math:`H_i` the Hessian: that of the last step, also of an earlier solve, for as long as it serves. With
    :math:`H_i + S_i = R_i^\top R_i`, where the diagonal matrix :math:`S_i` is zero for a convex loss, the model is a
    local solve of least squares,

    .. math::
        \tfrac12 \|R_i u\|^2 + r(u) + \tfrac12 \|u - \tilde c_i\|^2_{\mathrm{Diag}(w_i) - S_i}, \qquad
        \tilde c_i = (\mathrm{Diag}(w_i) - S_i)^{-1} (w_i \odot c_i - S_i x - \nabla f_i(x) + R_i^\top R_i x)

    :math:`S_i` is the smallest share of :math:`\mathrm{Diag}(w_i)` that serves. Where even 99 % do not, :math:`H_i` is
    replaced by a matrix with which they do, and the result may be a stationary point only. Says by a warning where the
    tolerance was missed. See :meth:`.Problem.local_solve` for the arguments.
    """
    return _Newton(problem, center, weight, tolerance).solve(start)


class _Newton:
    def __init__(self, problem: Differentiable, center: Tensor, weight: Tensor, tolerance: float) -> None:
        self.problem, self.center, self.weight, self.tolerance = problem, center, weight, tolerance
        self.regularizer = problem.node_regularizer
        self.outdated = torch.zeros_like(center[:, :1], dtype=torch.bool)  # the nodes whose last step was slow
        self.noise = ROUNDING * torch.finfo(center.dtype).eps

    def solve(self, start: Tensor) -> Tensor:
        x = self.regularizer.prox(start, 0.0)  # into the domain of r
        gradient, error, left = self.residual(x)
        for _ in range(MAX_STEPS):
            if not bool(left.any()):
                return x
            model, is_new = self.problem.newton_model.value, False
            if model is None or bool((left & self.outdated).any() or (model.shift > MAX_SHARE * self.weight).any()):
                model, is_new = _Model.at(self.problem, x, self.weight), True
                self.problem.newton_model.value = model
            target = model.minimizer(x, gradient, self.center, self.weight, self.tolerance)
            x = torch.where(left, self.line_search(x, gradient, target), x)
            last_error = error
            gradient, error, left = self.residual(x)
            self.outdated = error > SLOW * last_error
            if is_new:  # at rounding errors the residual does not shrink any more
                left = left & ~((error > 0.5 * last_error) & (error <= NEAR * self.terms(x, gradient)))
        if bool(left.any()):
            warn_unfinished("proximal Newton", int(left.sum()), MAX_STEPS)
        return x

    def residual(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the gradient of f_i, the residual of the optimality condition, and where it is too large."""
        self.problem.calls.solve_gradients += 1
        gradient = self.problem.local_gradient(x)
        error = _norm(self.regularizer.min_norm_subgradient(x, gradient + self.weight * (x - self.center)))
        return gradient, error, error > max(self.tolerance, self.noise) * self.terms(x, gradient)

    def terms(self, x: Tensor, gradient: Tensor) -> Tensor:
        return _norm(gradient) + _norm(self.weight * (x - self.center))

    def line_search(self, x: Tensor, gradient: Tensor, target: Tensor) -> Tensor:
        """Return the first point on the way from x to the minimizer of the model with a sufficient decrease."""
        move = target - x
        before = self.value(x)
        slope = ((gradient + self.weight * (x - self.center)) * move).sum(dim=1, keepdim=True)
        promised = slope + self._penalty(target) - self._penalty(x)
        length = torch.ones_like(before)
        for _ in range(MAX_HALVINGS):
            after = self.value(x + length * move)
            short = after > before + ARMIJO * length * promised + self.noise * before.abs()
            short = short | after.isnan()
            if not bool(short.any()):
                break
            length = torch.where(short, 0.5 * length, length)
        return x + length * move

    def value(self, x: Tensor) -> Tensor:
        distance = 0.5 * (self.weight * (x - self.center).square()).sum(dim=1, keepdim=True)
        return self.problem.loss(x) + distance + self._penalty(x)

    def _penalty(self, x: Tensor) -> Tensor:
        return self.regularizer.value(x).unsqueeze(1)


def _norm(v: Tensor) -> Tensor:
    return torch.linalg.vector_norm(v, dim=1, keepdim=True)
