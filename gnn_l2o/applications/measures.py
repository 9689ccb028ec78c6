"""What is measured of a run whose optimum need not be known: how far it is from a stationary consensus."""

from __future__ import annotations

from torch import Tensor

from gnn_l2o.algorithms.standing import Standing
from gnn_l2o.algorithms.stopping import StoppingRule
from gnn_l2o.problems import Problem

DIVERGED = 1e8  # a residual above this one has no way back
_TINY = 1e-300


class Measures:
    r"""Measures iterates of one problem, from outside: no node computes these numbers, and they are not counted.

    With :math:`\bar x` the average of the nodes, f that of the :math:`f_i`, L that of the smoothness constants, and
    :math:`g = \frac1N \sum_i \|\nabla f_i(x^0)\|`, or 1 if that is zero:

    .. math::
        \text{objective} &= F(\bar x) \\
        \text{residual} &= L \|\bar x - \operatorname{prox}_{r / L}(\bar x - \nabla f(\bar x) / L)\| / g \\
        \text{consensus error} &= \frac{\|X - \mathbf 1 \bar x^\top\|_F}
            {\sqrt N \max(\|\bar x\|, \|x^0\|, g / L)} \\
        \text{optimality gap} &= (F(\bar x) - F^*) / (F(x^0) - F^*)

    The residual is the norm of the prox-gradient mapping, zero exactly at stationary points.

    Args:
        problem: one problem.
        x0: ``(N, d)``, the initial point.
        optimum: :math:`F^*`; without it there is no optimality gap.
    """

    def __init__(self, problem: Problem, x0: Tensor, optimum: float | None = None) -> None:
        self.problem, self.optimum = problem, optimum
        self.smoothness = problem.average(problem.smoothness()).squeeze()
        slope = problem.average(problem.local_gradient(x0).norm(dim=1, keepdim=True)).squeeze()
        self.slope = slope if slope > 0 else slope.new_ones(())
        start = problem.average(x0)
        self.length = max(start.norm(), self.slope / self.smoothness)
        self.start = problem.objective(start)

    def __call__(self, x: Tensor) -> dict[str, Tensor]:
        """Return the measures of iterates ``(N, d)`` by name, ``(1,)`` each."""
        problem, mean = self.problem, self.problem.average(x)
        gradient = problem.average(problem.local_gradient(mean.expand_as(x)))
        step = 1 / self.smoothness
        residual = (mean - problem.regularizer.prox(mean - step * gradient, step)).norm(dim=1) / step
        apart = problem.average((x - mean).square().sum(dim=1, keepdim=True)).squeeze(1).sqrt()
        measures = {
            "objective": problem.objective(mean),
            "residual": residual / self.slope,
            "consensus_error": apart / max(mean.norm(), self.length),
        }
        if self.optimum is not None:
            excess = (self.start - self.optimum).clamp(min=_TINY)
            measures["optimality_gap"] = (measures["objective"] - self.optimum) / excess
        return measures


class Diverged(StoppingRule):
    """Ends a run whose residual is above 1e8, or no number."""

    def holds(self, standing: Standing) -> bool:
        residual = standing.measures["residual"]
        return not bool((residual <= DIVERGED).all())  # if a node's iterate is not finite, this is no number
