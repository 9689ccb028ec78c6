"""The limit of quadratic problems without a prox: conjugate gradients."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.graph.network import Network
from gnn_l2o.limits.limit import Limit
from gnn_l2o.problems import LeastSquares, Problem
from gnn_l2o.problems.regularizers import ElasticNet, Regularizer, Zero


@dataclass(frozen=True, eq=False)
class TreeCGState:
    """State of :class:`TreeCG`; all rows of x are equal, and of the residual and the direction."""

    x: Tensor  # (N, d)
    residual: Tensor  # (N, d), r: minus the gradient of F
    direction: Tensor  # (N, d), p
    constant: Tensor  # (N, d), grad f_i(0)


@dataclass(frozen=True, eq=False)
class TreeCG(Limit[TreeCGState]):
    r"""Conjugate gradients (Hestenes, Stiefel 1952) on the average loss, with exact averages over a spanning tree.

    .. math::
        q &= \nabla^2 F \, p = \frac1N \sum_i (\nabla f_i(p) - \nabla f_i(0)) + \lambda_2 p, \qquad
             a = \frac{\|r\|^2}{\langle p, q \rangle} \\
        x^+ &= x + a p, \qquad r^+ = r - a q, \qquad p^+ = r^+ + \frac{\|r^+\|^2}{\|r\|^2} p

    Linear regression, and ridge regression, an elastic net of :math:`\lambda_1 = 0`. No method of one gradient an
    iteration that stays in the span of the gradients has a smaller objective after as many of them. An iteration takes
    twice the radius of the graph in rounds, and so does the first residual.

    What is sent are partial sums of gradients; a leaf of the tree shows its parent its own gradients.
    """

    name = "tree_cg"
    label = "conjugate gradients, averages over a tree"
    cost = Cost(vectors=1, gradients=1)
    setup_cost = Cost(vectors=1, gradients=2)
    setup_knowledge = frozenset({"graph_sizes", "radius"})

    def refusal(self, problem: Problem, network: Network) -> str | None:
        reason = super().refusal(problem, network)
        if reason is None and not isinstance(problem, LeastSquares):
            return f"{self.label}: for least squares; this problem is {type(problem).__name__}"
        if reason is None and not _is_smooth(problem.regularizer):
            return f"{self.label}: for problems without a prox; this one has the regularizer {problem.regularizer}"
        return reason

    def init(self, problem: Problem, network: Network, x0: Tensor) -> TreeCGState:
        constant = problem.gradient(torch.zeros_like(x0))
        residual = -network.graph_mean(problem.gradient(x0)) - _ridge(problem.regularizer) * x0
        return TreeCGState(x0, residual, residual, constant)

    def step(self, problem: Problem, network: Network, state: TreeCGState) -> TreeCGState:
        p, r = state.direction, state.residual
        q = network.graph_mean(problem.gradient(p) - state.constant) + _ridge(problem.regularizer) * p
        before, curvature = _square(r), (p * q).sum(dim=1, keepdim=True)
        a = torch.where(curvature > 0, before / curvature, 0)  # at the solution there is no direction left
        after = r - a * q
        share = torch.where(before > 0, _square(after) / before, 0)
        return TreeCGState(state.x + a * p, after, after + share * p, state.constant)


def _is_smooth(regularizer: Regularizer) -> bool:
    ridge = isinstance(regularizer, ElasticNet) and not bool(torch.as_tensor(regularizer.l1).any())
    return ridge or isinstance(regularizer, Zero)


def _ridge(regularizer: Regularizer) -> float | Tensor:
    """Return lambda_2 of a smooth regularizer."""
    return regularizer.l2 if isinstance(regularizer, ElasticNet) else 0.0


def _square(v: Tensor) -> Tensor:
    return v.square().sum(dim=1, keepdim=True)
