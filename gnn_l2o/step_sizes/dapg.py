"""DAPG that learns its step size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import Cost
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted.dapg import DAPGState
from gnn_l2o.handcrafted.fast_mix import fast_mix
from gnn_l2o.problems import Problem
from gnn_l2o.step_sizes.tangent import TangentMethod, WithTangent, prox_with_tangent


@dataclass(frozen=True, eq=False)
class MetaDAPG(TangentMethod[DAPGState]):
    r""":class:`.DAPG` with a learned step size, see :class:`.TangentMethod`.

    Its recursion, F standing for FastMix with K rounds:

    .. math::
        T_x^+ &= F\bigl(\partial_v \operatorname{prox}_{\alpha r}(v)\, (\gamma T_y - \alpha s)
                + \alpha\, \partial_\alpha \operatorname{prox}_{\alpha r}(v)\bigr), \qquad v = y - \alpha s \\
        T_y^+ &= F\bigl(T_x^+ + b (T_x^+ - \gamma T_x)\bigr), \qquad T_s = 0

    The slope is taken at y, where the gradient is. Steps stay below 0.95 / L; the momentum is not learned. Costs one
    gradient, one prox and 5 K mixings an iteration and a round in which two numbers travel, and one gradient at the
    start.

    Attributes:
        step_size: the first alpha.
        learner: what moves it.
        discount: gamma.
        momentum: b, in [0, 1).
        mixings: K.
    """

    name = "meta_dapg"
    setup_cost = Cost(gradients=1)
    known: ClassVar[frozenset[str]] = frozenset({"spectral_gap", "min_eigenvalue"})

    momentum: float = 0.9
    mixings: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.momentum < 1:
            raise InputError(f"{self.name} needs 0 <= momentum < 1, got {self.momentum}")
        if self.mixings < 1:
            raise InputError(f"{self.name} needs a whole number of mixings >= 1, got {self.mixings}")

    @property
    def cost(self) -> Cost:
        vectors = 5 * self.mixings
        return Cost(rounds=vectors + 1, vectors=vectors, numbers=2, gradients=1, proxes=1)

    def stable(self, network: Network) -> float:
        return 1.0

    def first(self, problem: Problem, network: Network, x0: Tensor) -> DAPGState:
        gradient = problem.gradient(x0)
        return DAPGState(x=x0, y=x0, s=gradient, gradient=gradient)

    def step(self, problem: Problem, network: Network, state: WithTangent[DAPGState]) -> WithTangent[DAPGState]:
        now, kept = state.state, self.discounted(state.tangent)
        alpha = self.learner.step_size(state.steps, problem)
        steps, numbers = self.learned(state.steps, state.tangent.y, now.gradient, now.y, problem)
        descent = alpha * now.s
        x, t_x = prox_with_tangent(problem, now.y - descent, kept.y - descent, alpha)
        x, t_x = self._agree(network, x), self._agree(network, t_x)
        y = self._agree(network, x + self.momentum * (x - now.x))
        t_y = self._agree(network, t_x + self.momentum * (t_x - kept.x))
        gradient = problem.gradient(y)
        s = self._agree(network, now.s + gradient - now.gradient)
        (few,) = network.neighbours(numbers=numbers)
        numbers = numbers - network.collect(network.weights().to(numbers) * few.difference)
        zero = torch.zeros_like(x)
        return WithTangent(
            DAPGState(x=x, y=y, s=s, gradient=gradient),
            DAPGState(x=t_x, y=t_y, s=zero, gradient=zero),
            self.learner.mixed(steps, numbers),
        )

    def _agree(self, network: Network, v: Tensor) -> Tensor:
        return fast_mix(network, v, self.mixings)
