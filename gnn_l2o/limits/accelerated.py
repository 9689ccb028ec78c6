"""What limits with exact averages of gradients share: accelerated proximal gradient steps with restart."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from gnn_l2o.graph.network import Network
from gnn_l2o.limits.limit import Limit
from gnn_l2o.problems import Problem

DENSE = 1000
POWER_ITERATIONS = 200
MARGIN = 1.02
"""By how much the smoothness constant is taken larger than power iteration finds it, which approaches from below."""


@dataclass(frozen=True, eq=False)
class AcceleratedState:
    """State of an :class:`AcceleratedGradient`; all rows of x are equal, and of the extrapolated point."""

    x: Tensor  # (N, d)
    extrapolated: Tensor  # (N, d), y
    momentum: float  # t
    step_size: float  # 1 / L of the average loss


class AcceleratedGradient(Limit[AcceleratedState]):
    r"""FISTA (Beck, Teboulle 2009, SIAM J. Imaging Sci.) on the average loss, with exact averages of gradients.

    .. math::
        x^+ &= \operatorname{prox}_{r / L}\Bigl(y - \frac1L \frac1N \sum_i \nabla f_i(y)\Bigr), \qquad
               t^+ = \tfrac12 + \sqrt{\tfrac14 + t^2} \\
        y^+ &= x^+ + \frac{t - 1}{t^+} (x^+ - x)

    Where :math:`\langle y - x^+, x^+ - x \rangle > 0`, t starts at 1 again and :math:`y^+ = x^+` (O'Donoghue, Candes
    2015, gradient scheme). L is the smoothness constant of the average loss at the initial point, found beforehand;
    it is smaller than the largest L_i, which decentralized methods have to respect.
    """

    @abstractmethod
    def average(self, network: Network, gradient: Tensor) -> Tensor:
        """Return the average over the nodes at every node, ``(N, d)`` to ``(N, d)``, and count what it takes."""

    def init(self, problem: Problem, network: Network, x0: Tensor) -> AcceleratedState:
        return AcceleratedState(x0, x0, momentum=1.0, step_size=1 / average_smoothness(problem, x0))

    def step(self, problem: Problem, network: Network, state: AcceleratedState) -> AcceleratedState:
        y, t = state.extrapolated, state.momentum
        x = problem.prox(y - state.step_size * self.average(network, problem.gradient(y)), state.step_size)
        move = x - state.x
        if float(((y - x) * move)[0].sum()) > 0:
            return AcceleratedState(x, x, 1.0, state.step_size)
        following = 0.5 + (0.25 + t * t) ** 0.5
        return AcceleratedState(x, x + (t - 1) / following * move, following, state.step_size)


def average_smoothness(problem: Problem, x: Tensor) -> float:
    """Return the largest eigenvalue of the Hessian of the average loss at the first row of x, at most the mean L_i.

    Up to 1,000 coordinates it is exact, beyond it is found by power iteration, and taken a little larger.
    """
    point = x[:1]
    bound = float(problem.smoothness().mean())
    if problem.dim <= DENSE:
        hessian = problem.hessian(point[0], 0, torch.arange(problem.dim, device=x.device))
        return min(float(torch.linalg.eigvalsh(hessian)[-1].clamp(min=torch.finfo(x.dtype).tiny)), bound)
    v = torch.randn(point.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(x)

    def gradient(y: Tensor) -> Tensor:
        return problem.local_gradient(y.expand_as(x)).mean(dim=0, keepdim=True)

    tiny = torch.finfo(v.dtype).tiny
    for _ in range(POWER_ITERATIONS):
        v = torch.func.jvp(gradient, (point,), (v / v.norm().clamp(min=tiny),))[1]
    return max(tiny, min(MARGIN * float(v.norm()), bound))
