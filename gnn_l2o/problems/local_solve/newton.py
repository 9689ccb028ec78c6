r"""Local solves of linear models by a semismooth Newton method in the dual.

The prox of :math:`f_i + r` at c in the metric of w is the x of the fixed-point equation

.. math::
    x = x(g) := \operatorname{prox}_{r, \mathrm{Diag}(1/w)}(c - g / w), \qquad g = \nabla f_i(x).

Its unknowns are the predictions :math:`p = A x`, m numbers, where m < d, and x itself otherwise; either decides
:math:`g = A^\top u`, u the slopes of the samples' losses at p. The equation is the stationarity of the dual function

.. math::
    \sum_j \phi_j(p_j) - u^\top p + g^\top x(g) + r(x(g)) + \tfrac12 \|x(g) - c\|^2_{\mathrm{Diag}(w)},
    \qquad \phi_j = \ell / m_i,

which the Newton steps increase: their lengths are halved until it grows enough (Armijo). With D the derivative of the
prox over w, H the curvatures of the samples, the step solves a system of :mod:`~gnn_l2o.problems.local_solve.systems`.
For least squares and a piecewise linear prox the dual function is a concave, piecewise quadratic function of p, and
the method ends after finitely many steps (compare Li, Sun, Toh 2018, SIAM J. Optim. 28(1), for LASSO).
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

MAX_STEPS = 500
MAX_REFINEMENTS = 5
ARMIJO = 1e-4
ROUNDING = 16  # units in the last place within which dual values and residuals are not told apart
SHORTEST = 1e-10  # the length of a step at which only rounding errors can be left


@dataclass(frozen=True, eq=False)
class _Point:
    """Where the dual iteration is at every node."""

    unknown: Tensor  # (N, k), p or x
    prediction: Tensor  # (N, m), p
    x: Tensor  # (N, d), x(g)
    residual: Tensor  # (N, k), what the equation yields less the unknown
    value: Tensor  # (N, 1), of the dual function

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
        self.calls, self.samples, self.regularizer = model.calls, model.samples, model.node_regularizer
        self.model, self.center, self.weight, self.step = model, center, weight, 1 / weight
        self.noise = ROUNDING * torch.finfo(center.dtype).eps
        self.tolerance = max(tolerance, self.noise)

    def solve(self, start: Tensor) -> Tensor:
        """Return the prox, ``(N, d)``."""
        direct = self.model.constant_curvature and isinstance(self.regularizer, Zero)
        return self.refine(start if direct else self.ascend(start))

    def ascend(self, start: Tensor) -> Tensor:
        """Increase the dual function to its maximum; return x there."""
        point = self.evaluate(self.samples.products(start) if self.samples.by_samples else start)
        length = torch.ones_like(point.value)
        size = torch.full_like(length, torch.inf)
        left = torch.ones_like(length, dtype=torch.bool)
        for _ in range(MAX_STEPS):
            system = self.samples.system(point.prediction, self.derivative(point.x))
            slope = system.slope(point.residual)
            last_size, size = size, (slope * point.residual).sum(dim=1, keepdim=True)
            far = size > self.tolerance**2 * self.samples.size(point.prediction)
            rounding = self.noise * point.value.abs()
            left = left & far & (length > SHORTEST) & ((size > rounding) | (size < 0.5 * last_size))
            if not bool(left.any()):
                return point.x
            direction = torch.where(left, system.direction(point.residual), 0.0)
            growth = (slope * direction).sum(dim=1, keepdim=True)
            trial = self.evaluate(point.unknown + length * direction)
            accepted = trial.value >= point.value + ARMIJO * length * growth - rounding
            if bool(accepted.all()):
                point, length = trial, torch.ones_like(length)
            else:
                point = trial.where(accepted, point)
                length = torch.where(accepted, 1.0, 0.5 * length)
        warn_unfinished("semismooth Newton", int(left.sum()), MAX_STEPS)
        return point.x

    def evaluate(self, unknown: Tensor) -> _Point:
        """Return the dual function and the residual of the equation at p or x, ``(N, k)``."""
        self.calls.solve_gradients += 1
        samples = self.samples
        prediction = unknown if samples.by_samples else samples.products(unknown)
        slopes = samples.slopes(prediction)
        gradient = samples.sums(slopes)
        x = self.regularizer.prox(self.center - self.step * gradient, self.step)
        move = x - self.center
        terms = (gradient * x + 0.5 * self.weight * move.square()).sum(dim=1, keepdim=True)
        losses = (samples.losses(prediction) - slopes * prediction).sum(dim=1, keepdim=True)
        value = losses + terms + self.regularizer.value(x).unsqueeze(1)
        residual = (samples.products(x) if samples.by_samples else x) - unknown
        return _Point(unknown, prediction, x, residual, value)

    def derivative(self, x: Tensor) -> Tensor:
        """Return D at the prox x: ``(N, d)``."""
        derivative = self.regularizer.prox_derivative(x, self.step)
        assert derivative is not None  # the regularizer is separable
        return derivative * self.step

    def refine(self, x: Tensor) -> Tensor:
        """Take Newton steps over the coordinates that the prox does not fix, for as long as they halve the residual.

        Where w is far below the curvature, the prox multiplies the rounding errors of g by 1 / w; these steps do not.
        """
        slope, size, target = self.optimality(x)
        for _ in range(MAX_REFINEMENTS):
            if not bool((size > target).any()):
                break
            system = self.samples.system(self.samples.products(x), self.derivative(x))
            trial = x - system.inverse(slope)
            trial_slope, trial_size, trial_target = self.optimality(trial)
            better = trial_size < 0.5 * size
            if not bool(better.any()):
                break
            x, slope = torch.where(better, trial, x), torch.where(better, trial_slope, slope)
            size, target = torch.where(better, trial_size, size), torch.where(better, trial_target, target)
        return x

    def optimality(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the element of minimum norm of the subdifferential at x, its norm, and what that is to become."""
        self.calls.solve_gradients += 1
        gradient, metric = self.model.local_gradient(x), self.weight * (x - self.center)
        slope = self.regularizer.min_norm_subgradient(x, gradient + metric)
        scale = gradient.norm(dim=1, keepdim=True) + metric.norm(dim=1, keepdim=True)
        return slope, slope.norm(dim=1, keepdim=True), self.tolerance * scale


def newton_solve(model: LinearModel, x: Tensor, right: Tensor, shift: Tensor) -> Tensor:
    """Solve the Newton systems of all nodes; see :meth:`.Problem.newton_solve`."""
    samples, calls = model.samples, model.calls
    calls.solve_gradients += 1
    prediction = samples.products(x)
    curvature = samples.curvatures(prediction)
    system = samples.system(prediction, (1 / shift).expand_as(x))
    solution, error = torch.zeros_like(right), right
    for _ in range(MAX_REFINEMENTS):
        trial = solution + system.inverse(error)
        calls.solve_gradients += 1
        image = samples.sums(curvature * samples.products(trial)) + shift * trial
        trial_error = right - image
        better = trial_error.norm(dim=1, keepdim=True) < 0.5 * error.norm(dim=1, keepdim=True)
        solution, error = torch.where(better, trial, solution), torch.where(better, trial_error, error)
        noise = ROUNDING * torch.finfo(x.dtype).eps * right.norm(dim=1, keepdim=True)
        if not bool((better & (error.norm(dim=1, keepdim=True) > noise)).any()):
            break
    return solution
