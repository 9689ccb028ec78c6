"""The limit of second-order methods that average exactly over the graph."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.graph.network import Network
from gnn_l2o.limits.limit import Limit
from gnn_l2o.problems import LeastSquares, Problem, solve

MAX_DIM = 1000


@dataclass(frozen=True, eq=False)
class TreeNewtonState:
    """State of :class:`TreeNewton`; all rows of x are equal."""

    x: Tensor  # (N, d)
    settled: bool = False  # whether the last step was so short that the next one would be a rounding error


@dataclass(frozen=True, eq=False)
class TreeNewton(Limit[TreeNewtonState]):
    r"""Proximal Newton steps (Lee, Sun, Saunders 2014, SIAM J. Optim.) with averages of gradients and Hessians.

    .. math::
        x^+ = \arg\min_u \langle g, u - x \rangle + \tfrac12 (u - x)^\top H (u - x) + r(u), \qquad
        g = \frac1N \sum_i \nabla f_i(x), \quad H = \frac1N \sum_i \nabla^2 f_i(x)

    Every node solves this problem by itself. The gradient and the d columns of the Hessian are pipelined through a
    breadth-first spanning tree, so that an iteration takes twice the radius plus d rounds; quadratic losses take one.
    Steps have full length.

    What is sent are partial sums of gradients and Hessians, of which a leaf of the tree shows its parent its own: with
    at most d samples, as good as its data.
    """

    name = "tree_newton"
    label = "Newton, averages over a tree"
    cost = Cost(gradients=1)
    setup_knowledge = frozenset({"graph_sizes", "radius"})

    def refusal(self, problem: Problem, network: Network) -> str | None:
        reason = super().refusal(problem, network)
        if reason is None and problem.dim > MAX_DIM:
            return f"{self.label}: for at most {MAX_DIM} coordinates, got {problem.dim}"
        return reason

    def init(self, problem: Problem, network: Network, x0: Tensor) -> TreeNewtonState:
        return TreeNewtonState(x0)

    def step(self, problem: Problem, network: Network, state: TreeNewtonState) -> TreeNewtonState:
        x = state.x
        gradient = network.graph_mean(problem.gradient(x), more=problem.dim)
        if state.settled:
            return state
        hessian = problem.hessian(x[0], 0, torch.arange(problem.dim, device=x.device))
        after = _minimizer(problem, x[0], gradient[0], hessian).to(x)
        # Convergence is quadratic.
        settled = bool((after - x[:1]).norm() <= torch.finfo(x.dtype).eps ** 0.5 * after.norm())
        return TreeNewtonState(after.expand_as(x), settled)


def _minimizer(problem: Problem, x: Tensor, gradient: Tensor, hessian: Tensor) -> Tensor:
    """Minimize the quadratic model plus r: ``(1, d)``, in double precision."""
    # H = V D V' makes the model the loss |D^(1/2) V' u - D^(-1/2) V' (H x - g)|^2 / 2, whose features are few where H
    # has a low rank. H x - g lies in the range of H, as the gradients of linear models do.
    x, gradient, hessian = x.double(), gradient.double(), hessian.double()
    values, vectors = torch.linalg.eigh(hessian)
    large = values > 1e-14 * values[-1].clamp(min=torch.finfo(torch.float64).tiny)
    root, basis = values[large].sqrt(), vectors[:, large]
    features, targets = (basis * root).t(), basis.t() @ (hessian @ x - gradient) / root
    scale = len(root) ** 0.5  # losses are means over samples
    model = LeastSquares.from_nodes([scale * features], [scale * targets], problem.regularizer.to(dtype=torch.float64))
    return solve(model).x
