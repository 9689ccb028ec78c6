"""Algorithms that carry the derivative of their state with respect to the logarithm of their step size."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Generic

import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import Algorithm, State, map_tensors
from gnn_l2o.graph.network import Network
from gnn_l2o.local_updates import AMSGrad
from gnn_l2o.problems import Problem
from gnn_l2o.problems.regularizers import Zero
from gnn_l2o.step_sizes.learner import StepSizeLearner, StepSizes

CEILING = 0.95
"""Of the largest stable step; beyond it a method would diverge."""

LEARNER = StepSizeLearner(meta=AMSGrad(step_size=0.05, epsilon=1e-30), ceiling=CEILING, decay=0.01)
"""For convex problems: moves die out with the slope, and steps of the nodes become equal."""


@dataclass(frozen=True, eq=False)
class WithTangent(Generic[State]):
    """State of an algorithm whose step size is learned."""

    state: State
    tangent: State  # its derivative with respect to the logarithm of the step size, in the same form
    steps: StepSizes

    @property
    def x(self) -> Tensor:  # (N, d)
        return self.state.x


@dataclass(frozen=True, eq=False)
class TangentMethod(Algorithm[WithTangent[State]]):
    r"""A method with one step size, which is learned along the derivative of its iterate with respect to it.

    The tangent T of the state s obeys the derivative of the recursion :math:`s^+ = S(s, \alpha)`, mixing, dual
    variables and prox included:

    .. math::
        T^+ = \gamma\, \partial_s S\, T + \alpha\, \partial_\alpha S, \qquad T^0 = 0

    Gradients count as constants in it, as in :class:`.MetaOptimize`, so that it needs no Hessian.
    :class:`.StepSizeLearner` moves :math:`\beta = \log \alpha` along the mean of
    :math:`T_{x, i} \cdot (\nabla f_i(x_i) + \partial r(x_i))`. All nodes share the step size.

    Attributes:
        step_size: the first one.
        learner: what moves it.
        discount: gamma, in [0, 1].
    """

    step_size: float | Tensor
    learner: StepSizeLearner = LEARNER
    discount: float = 1.0

    known: ClassVar[frozenset[str]] = frozenset()
    """Facts about the whole graph that the method reads beside those of the learner."""

    def __post_init__(self) -> None:
        if not self.learner.shared:
            raise InputError(f"{self.name} has one step size for all nodes; expected a learner with shared=True")
        if not 0 <= self.discount <= 1:
            raise InputError(f"{self.name} needs a discount in [0, 1], got {self.discount}")
        object.__setattr__(self, "setup_knowledge", self.learner.setup_knowledge | self.known)

    @abstractmethod
    def first(self, problem: Problem, network: Network, x0: Tensor) -> State:
        """Return the state of the method before the first step."""

    @abstractmethod
    def stable(self, network: Network) -> float | Tensor:
        """Return the largest stable step in units of 1/L, a number or ``(N, 1)``."""

    def init(self, problem: Problem, network: Network, x0: Tensor) -> WithTangent[State]:
        state = self.first(problem, network, x0)
        steps = self.learner.init(self.step_size, problem, network, x0, self.stable(network))
        return WithTangent(state, map_tensors(torch.zeros_like, state), steps)

    def learned(
        self, steps: StepSizes, tangent: Tensor, gradient: Tensor, x: Tensor, problem: Problem
    ) -> tuple[StepSizes, Tensor]:
        """Return the step sizes after a meta update, and the numbers of theirs to be mixed.

        Args:
            steps: as they are.
            tangent: of x, ``(N, d)``.
            gradient: of f_i at x, ``(N, d)``.
            x: ``(N, d)``.
            problem: whose regularizer counts too.
        """
        if not isinstance(problem.regularizer, Zero):
            gradient = gradient + problem.node_regularizer.min_norm_subgradient(x, torch.zeros_like(x))
        return self.learner.learn(steps, tangent * gradient, problem)

    def discounted(self, tangent: State) -> State:
        """Return the tangent times gamma."""
        kept: State = map_tensors(lambda t: self.discount * t, tangent)
        return kept


def prox_with_tangent(problem: Problem, v: Tensor, tangent: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
    """Return the prox of v and its derivative, ``(N, d)`` each, where v moves along its tangent and log step by one."""
    if isinstance(problem.regularizer, Zero):
        return problem.prox(v, step), tangent
    moved = torch.func.jvp(problem.prox, (v, step), (tangent, step))
    return moved[0], moved[1]
