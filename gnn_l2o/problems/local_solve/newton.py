r"""Local solves of linear models by a semismooth Newton method in the dual.

The prox of :math:`f_i + r` at c in the metric of w is the x of the fixed-point equation

.. math::
    x = x(g) := \operatorname{prox}_{r, \mathrm{Diag}(1/w)}(c - g / w), \qquad g = \nabla f_i(x).

Its unknowns are the predictions :math:`p = A x`, m numbers, where m < d, and x itself otherwise; either decides
:math:`g = A^\top u`, u the slopes of the samples' losses at p. The equation is the stationarity of the dual function

.. math::
    \sum_j \phi_j(p_j) - u^\top p + g^\top x(g) + r(x(g)) + \tfrac12 \|x(g) - c\|^2_{\mathrm{Diag}(w)},
    \qquad \phi_j = \ell / m_i,

which the Newton steps increase: their lengths are halved until it grows enough (Armijo), or until the residual is half
the smallest so far. With D the derivative of the prox over w, H the curvatures of the samples, the step solves a system
of :mod:`~gnn_l2o.problems.local_solve.systems`. For least squares and a piecewise linear prox the dual function is a
concave, piecewise quadratic function of p, and the method ends after finitely many steps (compare Li, Sun, Toh 2018,
SIAM J. Optim. 28(1), for LASSO).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gnn_l2o.problems.local_solve.tolerance import warn_unfinished
from gnn_l2o.problems.regularizers import Zero

if TYPE_CHECKING:
    from gnn_l2o.problems.linear_model import LinearModel

MAX_STEPS = 30  # of one ascent; far more than it takes unless w is far below the curvature
MAX_REFINEMENTS = 5
MAX_STAGES = 60
STAGE_SHRINK = 0.3
ARMIJO = 1e-4
OVERSHOOT = 1e-6  # of the slope at the beginning of a step, by which the slope at its end may be negative
ROUNDING = 16  # units in the last place within which dual values and residuals are not told apart
NEAR = 1e-6  # relative error below which a residual that no longer falls is one of rounding, in float64
NEAR_UNITS = 4096  # the same in units in the last place, for lower precisions
SHORTEST = 1e-10  # the length of a step at which only rounding errors can be left


@dataclass(frozen=True, eq=False)
class _Point:
    """Where the dual iteration is at every node."""

    unknown: Tensor  # (N, k), p or x
    prediction: Tensor  # (N, m), p
    gradient: Tensor  # (N, d), g
    x: Tensor  # (N, d), x(g)
    residual: Tensor  # (N, k), what the equation yields less the unknown
    slope: Tensor  # (N, k), of the dual function
    error: Tensor  # (N, 1), a bound of the residual of the optimality condition, A'(u(A x) - u(p))

    def where(self, mask: Tensor, other: _Point) -> _Point:
        """Return this point at the nodes in the mask, ``(N, 1)``, and the other one at the rest."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in vars(self))
        return _Point(*(torch.where(mask, a, b) for a, b in pairs))


class DualNewton:
    """Solves one prox at all nodes; see the module.

    Args:
        model: the losses; its regularizer is separable.
        center: c, ``(N, d)``.
        weight: w > 0, ``(N, 1)`` or ``(N, d)``.
        tolerance: of the residual of the optimality condition, relative to its terms' norms.
    """

    def __init__(self, model: LinearModel, center: Tensor, weight: Tensor, tolerance: float) -> None:
        self.model, self.center, self.weight, self.step = model, center, weight, 1 / weight
        self.calls, self.samples, self.regularizer = model.calls, model.samples, model.node_regularizer
        self.smoothness = model.smoothness()
        self.noise = ROUNDING * torch.finfo(center.dtype).eps
        self.tolerance = max(tolerance, self.noise)
        self.near = max(NEAR, NEAR_UNITS * torch.finfo(center.dtype).eps)

    def solve(self, start: Tensor) -> Tensor:
        """Return the prox, ``(N, d)``."""
        if self.model.constant_curvature and isinstance(self.regularizer, Zero):
            return self.refine(start)[0]
        x, solved = self.ascend(start)
        if not bool(solved.all()):
            x, solved = self.refine(x)
        return x if bool(solved.all()) else torch.where(solved, x, self.approach(start))

    def approach(self, start: Tensor) -> Tensor:
        r"""Solve by the proximal point method, :math:`\sigma` decreasing: the prox of a larger weight, again and again.

        .. math:: x^{k+1} = \arg\min_x f_i(x) + r(x) + \tfrac12 \|x - c\|^2_{\mathrm{Diag}(w)}
                            + \tfrac{\sigma_k}{2} \|x - x^k\|^2

        It takes over where w is so far below the curvature that the ascent, from far away, needs too many steps.
        """
        x, extra = start, self.model.mean_curvature().to(start)
        solved = torch.zeros_like(x[:, :1], dtype=torch.bool)
        for _ in range(MAX_STAGES):
            weight = self.weight + extra
            center = (self.weight * self.center + extra * x) / weight
            x = torch.where(solved, x, DualNewton(self.model, center, weight, self.tolerance).ascend(x)[0])
            x, solved = self.refine(x)
            if bool(solved.all()):
                return x
            extra = STAGE_SHRINK * extra
        warn_unfinished("semismooth Newton", int((~solved).sum()), MAX_STAGES)
        return x

    def ascend(self, start: Tensor) -> tuple[Tensor, Tensor]:
        """Increase the dual function; return x at the end, and at which nodes it is the prox to the tolerance."""
        point = self.evaluate(self.samples.products(start) if self.samples.by_samples else start)
        length = torch.ones_like(start[:, :1])
        smallest, last_error = point.error, torch.full_like(length, torch.inf)
        far = left = torch.ones_like(length, dtype=torch.bool)
        for _ in range(MAX_STEPS):
            terms = self.terms(point.gradient, point.x)
            far = point.error > self.tolerance * terms
            stalled = (point.error < self.near * terms) & (point.error > 0.5 * last_error) | (length < SHORTEST)
            left = left & far & ~stalled
            if not bool(left.any()):
                break
            last_error = point.error
            system = self.samples.system(point.prediction, self.derivative(point.x))
            direction = torch.where(left, system.direction(point.residual), 0.0)
            trial = self.evaluate(point.unknown + length * direction)
            accepted = self.accepts(point, trial, direction, length, smallest)
            if bool(accepted.all()):
                point, length = trial, torch.ones_like(length)
            else:
                point = trial.where(accepted, point)
                length = torch.where(accepted, 1.0, 0.5 * length)
            smallest = torch.minimum(smallest, point.error)
        return point.x, ~far

    def evaluate(self, unknown: Tensor) -> _Point:
        """Return where the iteration is with these p or x, ``(N, k)``."""
        self.calls.solve_gradients += 1
        samples = self.samples
        prediction = unknown if samples.by_samples else samples.products(unknown)
        gradient = samples.sums(samples.slopes(prediction))
        x = self.regularizer.prox(self.center - self.step * gradient, self.step)
        after = samples.products(x) if samples.by_samples else x
        residual = after - unknown
        slope = samples.slope(prediction, residual)
        # |A'v|^2 <= (L_i / c) sum_j m_i v_j^2 for v = u(A x) - u(p), with c the bound of l''.
        if self.model.constant_curvature:
            square = _inner(slope, residual)
        else:
            square = samples.slope_change(prediction, after if samples.by_samples else samples.products(x))
        return _Point(unknown, prediction, gradient, x, residual, slope, (self.smoothness * square).sqrt())

    def accepts(self, point: _Point, trial: _Point, direction: Tensor, length: Tensor, smallest: Tensor) -> Tensor:
        """Tell at which nodes a step may be taken, ``(N, 1)``.

        It may where the error is half the smallest so far, which happens finitely often before the tolerance, and where
        the dual function grows enough.
        """
        good = trial.error <= 0.5 * smallest
        if self.model.constant_curvature and not bool(good.all()):
            # Along the step the function is concave: it grows at least until its slope vanishes.
            good = good | (_inner(trial.slope, direction) >= -OVERSHOOT * _inner(point.slope, direction))
        if bool(good.all()):
            return good
        before, after = self.value(point), self.value(trial)
        growth = _inner(point.slope, direction)
        return good | (after >= before + ARMIJO * length * growth - self.noise * before.abs())

    def value(self, point: _Point) -> Tensor:
        """Return the dual function, ``(N, 1)``."""
        samples, p, x = self.samples, point.prediction, point.x
        losses = (samples.losses(p) - samples.slopes(p) * p).sum(dim=1, keepdim=True)
        move = x - self.center
        terms = _inner(point.gradient, x) + 0.5 * _inner(self.weight * move, move)
        return losses + terms + self.regularizer.value(x).unsqueeze(1)

    def terms(self, gradient: Tensor, x: Tensor) -> Tensor:
        """Return the size of the terms of the optimality condition, which its residual is compared with: ``(N, 1)``."""
        return _norm(gradient) + _norm(self.weight * (x - self.center))

    def derivative(self, x: Tensor) -> Tensor:
        """Return D at the prox x: ``(N, d)``."""
        derivative = self.regularizer.prox_derivative(x, self.step)
        assert derivative is not None  # the regularizer is separable
        return derivative * self.step

    def refine(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Take Newton steps over the coordinates that the prox does not fix, for as long as they halve the residual.

        Where w is far below the curvature, the prox multiplies the rounding errors of g by 1 / w; these steps do not.

        Returns:
            x, and at which nodes it is the prox up to the tolerance or rounding errors.
        """
        slope, target = self.optimality(x)
        for _ in range(MAX_REFINEMENTS):
            if not bool((_norm(slope) > target).any()):
                break
            system = self.samples.system(self.samples.products(x), self.derivative(x))
            trial = x - system.inverse(slope)
            trial_slope, trial_target = self.optimality(trial)
            better = _norm(trial_slope) < 0.5 * _norm(slope)
            if not bool(better.any()):
                break
            x, slope = torch.where(better, trial, x), torch.where(better, trial_slope, slope)
            target = torch.where(better, trial_target, target)
        rounding = self.noise * (self.smoothness * _norm(x) + _norm(self.weight * self.center))
        return x, ~(_norm(slope) > target + rounding)  # also where a run has diverged and numbers are not finite

    def optimality(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the element of minimum norm of the subdifferential at x, and what its norm is to become."""
        self.calls.solve_gradients += 1
        gradient = self.model.local_gradient(x)
        slope = self.regularizer.min_norm_subgradient(x, gradient + self.weight * (x - self.center))
        return slope, self.tolerance * self.terms(gradient, x)


def _inner(v: Tensor, w: Tensor) -> Tensor:
    return (v * w).sum(dim=1, keepdim=True)


def _norm(v: Tensor) -> Tensor:
    return torch.linalg.vector_norm(v, dim=1, keepdim=True)


def hessian_solve(model: LinearModel, x: Tensor, right: Tensor, metric: Tensor) -> Tensor:
    """Solve the Newton systems of all nodes; see :meth:`.Problem.hessian_solve`."""
    samples, calls = model.samples, model.calls
    calls.solve_gradients += 1
    prediction = samples.products(x)
    curvature = samples.curvatures(prediction)
    system = samples.system(prediction, metric)
    fixed = metric == 0
    shift = 1 / torch.where(fixed, 1.0, metric)
    right = torch.where(fixed, 0.0, right)
    solution, error = torch.zeros_like(right), right
    for _ in range(MAX_REFINEMENTS):
        trial = solution + system.inverse(error)
        calls.solve_gradients += 1
        image = samples.sums(curvature * samples.products(trial)) + shift * trial
        trial_error = torch.where(fixed, 0.0, right - image)
        better = _norm(trial_error) < 0.5 * _norm(error)
        solution, error = torch.where(better, trial, solution), torch.where(better, trial_error, error)
        noise = ROUNDING * torch.finfo(x.dtype).eps * _norm(right)
        if not bool((better & (_norm(error) > noise)).any()):
            break
    return solution
