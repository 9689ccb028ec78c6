"""A centralized solver in double precision with certificates, the reference of all measurements."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.problems.problem import Problem

TOLERANCE = 1e-12  # of the certificate
_ACCURACY = 1e-12  # relative, of F*

_FIRST_ROUND, _LONGEST_ROUND, _ROUNDS = 200, 2000, 20  # proximal gradient steps in a round; rounds
_NEWTON_STEPS = 50  # in a round
_NEWTON_SIZE = 5000  # free coordinates up to which a dense Hessian is factored
_RIDGE = 1e-10  # added to a Hessian, relative to its largest diagonal entry, since singular problems have solutions too
_STEP_LENGTHS = 6  # tried along a Newton direction
_LONG_STEP = 1e-3  # relative to the minimizer, at which a Newton step is far shorter
_TINY = 1e-300  # in place of zero in a denominator
_ROUNDING = 1e-13  # relative changes of F that may be rounding errors


class NotCertifiedError(RuntimeError):
    """The solver did not reach the required certificate."""


@dataclass(frozen=True, eq=False)
class Solution:
    r"""Certified minimizers of the B problems of a batch, a :class:`~gnn_l2o.problems.Problem`.

    Attributes:
        x: ``(B, d)``, :math:`x^\star`, one minimizer of each problem.
        value: ``(B,)``, :math:`F^\star = F(x^\star)`.
        certificate: ``(B,)``, :math:`\mathrm{dist}(0, \partial F(x^\star)) / \|\nabla f(x^0)\|` with f the average of
            the nodes' losses and :math:`x^0` the projection of 0 on the domain of r.

    Where only a lower bound is available (:meth:`.Problem.lower_bound`), the value is that bound, x is the initial
    point and the certificate is NaN.
    """

    x: Tensor
    value: Tensor
    certificate: Tensor


@torch.no_grad()
def solve(problem: Problem) -> Solution:
    r"""Minimize F in float64 until every problem's certificate is below ``TOLERANCE``.

    Rounds of accelerated proximal gradient steps, which find where r is smooth around the solution, alternate with
    Newton's method in those coordinates, which gives the last digits. All problems of the batch go together.

    Args:
        problem: convex, or with a lower bound; see :class:`Solution` for what comes back.

    Raises:
        InputError: a problem has no minimizer, as logistic regression on separable labels without a regularizer.
        NotCertifiedError: a problem could not be certified.
    """
    bound = problem.lower_bound()
    if bound is not None:
        bound = bound.double()
        return Solution(problem.average(problem.initial_point()).to(bound), bound, torch.full_like(bound, torch.nan))
    solver = _Solver(problem.to(dtype=torch.float64))
    point = solver.start
    length = _FIRST_ROUND
    for _ in range(_ROUNDS):
        point = solver.newton(solver.proximal_gradient(point, length))
        if solver.solved(point).all():
            break
        length = min(2 * length, _LONGEST_ROUND)
    solver.check(point)
    return Solution(point.x, point.value, point.certificate)


def starts_optimal(initial: Tensor, optimum: Tensor) -> Tensor:
    """Tell where the initial point is optimal already, up to the accuracy of F*: ``(B,)``, boolean.

    Args:
        initial: :math:`F(x^0)`, ``(B,)``; it may be infinite.
        optimum: :math:`F^*`, ``(B,)``.
    """
    magnitude = torch.maximum(initial.abs(), optimum.abs())
    return initial.isfinite() & (initial - optimum <= _ACCURACY * magnitude)


@dataclass(frozen=True, eq=False)
class _Point:
    """A point with its objective and certificate."""

    x: Tensor  # (B, d)
    value: Tensor  # (B,)
    certificate: Tensor  # (B,)

    def where(self, mask: Tensor, other: _Point) -> _Point:
        """Return this point for the problems in the mask, ``(B,)``, and the other one for the rest."""
        return _Point(
            torch.where(mask.unsqueeze(1), self.x, other.x),
            torch.where(mask, self.value, other.value),
            torch.where(mask, self.certificate, other.certificate),
        )

    def beats(self, other: _Point) -> Tensor:
        """Return for which problems this point is better: ``(B,)``."""
        rounding = _ROUNDING * other.value.abs()
        tie = (self.value <= other.value + rounding) & (self.certificate < 0.5 * other.certificate)
        return (self.value < other.value - rounding) | tie


class _Solver:
    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.regularizer = problem.regularizer
        zero = torch.zeros(problem.num_problems, problem.dim, dtype=torch.float64, device=problem.batch.device)
        x = self.regularizer.prox(zero, 0.0)
        self.scale = self.gradient(x).norm(dim=1).clamp(min=_TINY)
        self.probe = torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=x.dtype).to(x.device)
        self.curvature = self._largest_curvature(x)
        self.kink = ~self.regularizer.free(zero)  # the coordinates in which r is not smooth at 0
        self.start = self.at(x)

    def gradient(self, x: Tensor) -> Tensor:
        """Return the gradient of the average loss, ``(B, d)``."""
        return self.problem.average(self.problem.gradient(self.problem.spread(x)))

    def at(self, x: Tensor) -> _Point:
        return _Point(x, self.problem.objective(x), self.problem.optimality(x) / self.scale)

    def solved(self, point: _Point) -> Tensor:
        return point.certificate <= TOLERANCE

    def _largest_curvature(self, x: Tensor) -> Tensor:
        """Return the largest eigenvalue of the Hessian of the average loss at x by power iteration, ``(B, 1)``."""
        bound = self.problem.average(self.problem.smoothness())
        # The Hessian is symmetric: products from the left, of one record of the gradient, are those from the right.
        product = torch.func.vjp(self.gradient, x)[1]
        v = self.probe
        for _ in range(30):
            (v,) = product(v / v.norm(dim=1, keepdim=True).clamp(min=_TINY))
        # Power iteration approaches from below, and f may be more curved elsewhere. If 10 % are too few,
        # proximal_gradient doubles the estimate.
        return torch.minimum(1.1 * v.norm(dim=1, keepdim=True), bound).clamp(min=_TINY)

    def proximal_gradient(self, start: _Point, iterations: int) -> _Point:
        """Take accelerated proximal gradient steps with adaptive restart (O'Donoghue, Candes 2015, gradient scheme)."""
        step = 1 / self.curvature
        x, extrapolated, t = start.x, start.x, torch.ones_like(step)
        for _ in range(iterations):
            new = self.regularizer.prox(extrapolated - step * self.gradient(extrapolated), step)
            restart = ((extrapolated - new) * (new - x)).sum(dim=1, keepdim=True) > 0
            t_new = torch.where(restart, 1.0, 0.5 + (0.25 + t.square()).sqrt())
            extrapolated = new + torch.where(restart, 0.0, (t - 1) / t_new) * (new - x)
            x, t = new, t_new
        end = self.at(x)
        failed = ~(end.value <= start.value + 1e-9 * start.value.abs())  # also if it is NaN
        self.curvature = torch.where(failed.unsqueeze(1), 2 * self.curvature, self.curvature)
        return start.where(failed | self.solved(start), end)

    def newton(self, point: _Point) -> _Point:
        """Take Newton steps in the free coordinates for as long as they improve the point."""
        for _ in range(_NEWTON_STEPS):
            direction = self.newton_direction(point.x, ~self.solved(point))
            best = self._line_search(point, direction)
            if best is point:
                break
            point = best
        return point

    def newton_direction(self, x: Tensor, which: Tensor) -> Tensor:
        """Return the direction to the minimizer of the quadratic model in the free coordinates; 0 in all others."""
        slope = self.regularizer.min_norm_subgradient(x, self.gradient(x))  # in free coordinates the gradient of F
        free = self.regularizer.free(x)
        curved = self._regularizer_is_curved(x, free)
        direction = torch.zeros_like(x)
        for k in which.nonzero().flatten().tolist():
            where = free[k].nonzero().squeeze(1)
            if 0 < where.numel() <= _NEWTON_SIZE:
                hessian = self.problem.hessian(x[k], k, where)
                if curved:
                    hessian = hessian + self._regularizer_hessian(x[k], k, where)
                diagonal = hessian.diagonal()
                diagonal.add_(_RIDGE * diagonal + _TINY)
                factor, info = torch.linalg.cholesky_ex(hessian)
                if info == 0:
                    direction[k, where] = -torch.cholesky_solve(slope[k, where, None], factor).squeeze(1)
        return direction

    def _regularizer_is_curved(self, x: Tensor, free: Tensor) -> bool:
        # Decided by the product of the Hessian of r with a random vector, which is cheap.
        slope = torch.func.grad(lambda u: self.regularizer.value(u).sum())
        product = torch.func.jvp(slope, (x,), (self.probe,))[1]
        return bool((product[free] != 0).any())

    def _regularizer_hessian(self, x: Tensor, problem: int, free: Tensor) -> Tensor:
        regularizer = self.regularizer.at(torch.tensor([problem], device=x.device))

        def value(u: Tensor) -> Tensor:
            return regularizer.value(x.index_put((free,), u).unsqueeze(0)).squeeze()

        return torch.func.jacrev(torch.func.grad(value), chunk_size=500)(x[free])

    def _line_search(self, start: _Point, direction: Tensor) -> _Point:
        # The quadratic model is valid until the first coordinate reaches a kink or a bound; with that coordinate fixed
        # there, F often decreases far beyond. So step lengths between the two are tried, spaced geometrically.
        full = start.x + direction
        clipped = self._clipped(full, start.x)
        first = torch.where(clipped == full, 0.1, (clipped - start.x) / direction).amin(dim=1, keepdim=True)
        best = start
        for k in range(_STEP_LENGTHS):
            length = first ** (k / (_STEP_LENGTHS - 1))
            end = self.at(self._clipped(start.x + length * direction, start.x))
            better = end.beats(best)
            if better.any():
                best = end.where(better, best)
        return best

    def _clipped(self, x: Tensor, start: Tensor) -> Tensor:
        """Return x, but 0 in coordinates that cross a kink of r on the way from start, projected on the domain of r."""
        across = (x * start < 0) | (x.abs() <= _ROUNDING * start.abs())
        return self.regularizer.prox(torch.where(self.kink & across, 0.0, x), 0.0)

    def check(self, point: _Point) -> None:
        """Raise an error unless every problem has a solution and was solved."""
        unsolved = (~self.solved(point)).nonzero()
        if unsolved.numel():
            k = int(unsolved[0])
            raise NotCertifiedError(
                f"problem {k} was solved to a certificate of {float(point.certificate[k]):.1e}; expected {TOLERANCE}"
            )
        # Where F has no minimizer, its slope vanishes at infinity, but so does its curvature: Newton steps stay long.
        step = self.newton_direction(point.x, self.solved(point)).norm(dim=1)
        reach = torch.maximum(point.x.norm(dim=1), self.scale / self.curvature.squeeze(1))
        unbounded = (step > _LONG_STEP * reach).nonzero()
        if unbounded.numel():
            raise InputError(
                f"problem {int(unbounded[0])} has no minimizer: F decreases for ever as x grows (separable labels?); "
                "expected a regularizer that bounds x, such as l1 or elastic net"
            )
