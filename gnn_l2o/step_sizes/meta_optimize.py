"""MetaOptimize over networks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import Algorithm, Cost
from gnn_l2o.decentralized.wrapper import gradient_with_regularizer
from gnn_l2o.graph.network import Network
from gnn_l2o.local_updates import ScaledUpdate, SGDm
from gnn_l2o.problems import Problem
from gnn_l2o.step_sizes.learner import StepSizeLearner, StepSizes

STABLE = 2.0  # of gradient descent, in units of 1/L


@dataclass(frozen=True, eq=False)
class MetaOptimizeState:
    """State of :class:`MetaOptimize`."""

    x: Tensor  # (N, d), the iterate
    trace: Tensor  # (N, d), h, the derivative of x with respect to the logarithm of its step size
    c: Tensor | None  # (N, d), the tracker of the gradient less the gradient; None without tracking
    memory: Any  # of the local update
    steps: StepSizes


@dataclass(frozen=True, eq=False)
class MetaOptimize(Algorithm[MetaOptimizeState]):
    r"""A local update whose step sizes are learned on the way, over a network.

    With one node it is Algorithm 3 of Sharifnassab, Salehkaleybar, Sutton 2025 (ICML, arXiv:2402.02342): step sizes are
    :math:`\alpha = e^\beta`, and beta descends along :math:`z = h \cdot \nabla f(x)`, where the trace h is the
    derivative of the iterate with respect to beta while gradients count as constants. On a network, with beta shared by
    all nodes, the derivative of the iterates obeys the same mixing as they do:

    .. math::
        x_i^{k+1} &= \sum_j w_{ij} (x_j^k + \Delta_j^k), &
        \Delta_i^k &= -e^{\beta_i^k} (u_i^k + \kappa x_i^k) \\
        h_i^{k+1} &= \sum_j w_{ij} \bigl(\gamma (1 - \kappa e^{\beta_j^k}) h_j^k + \Delta_j^k\bigr), & h^0 &= 0

    u is the direction of the local update along :math:`g_i = \nabla f_i(x_i)`, or along the tracker of
    :class:`.Tracked`, and :class:`.StepSizeLearner` moves beta along the mean of :math:`h_i \cdot g_i`. The paper drops
    the factor :math:`1 - \gamma`, so that :math:`\gamma = 1` is allowed; it takes 0.999 where the problem changes.

    Where every node has step sizes of its own (``StepSizeLearner(shared=False)``), h is multiplied by
    :math:`w_{ii}` instead of being mixed. This is a heuristic: it leaves out how a node's step reaches it through its
    neighbours. It sends nothing but x.

    Costs one gradient an iteration and two mixings (x and h, with two numbers for each block), one if step sizes are
    not shared, and one more with tracking. A regularizer is part of what is differentiated, by its subgradient.

    Attributes:
        base: the local update; its ``step_size`` is the first one.
        learner: what moves the step sizes.
        tracked: whether nodes follow the tracker of the mean gradient, as :class:`.Tracked`, or their own gradient, as
            :class:`.Diffused`.
        discount: gamma, in [0, 1]. With 0 the trace is the last move alone, and it is hypergradient descent (Baydin et
            al. 2018, ICLR, arXiv:1703.04782).
        curvature: whether h is also multiplied by :math:`1 - e^\beta \odot \operatorname{diag} \nabla^2 f_i(x_i)`, for
            gradient descent alone (``SGDm(momentum=0)``). With a block for every coordinate it is IDBD (Sutton 1992),
            but that the step is taken before the meta update.
        called: its name in results.

    Example:
        >>> from gnn_l2o.local_updates import AdamW, Lion
        >>> learned = StepSizeLearner(meta=Lion(step_size=1e-3))
        >>> MetaOptimize(AdamW(step_size=1e-6, weight_decay=0.1), learned).cost.vectors
        2
    """

    name = "metaoptimize"

    base: ScaledUpdate[Any]
    learner: StepSizeLearner = field(default_factory=StepSizeLearner)
    tracked: bool = False
    discount: float = 1.0
    curvature: bool = False
    called: str = "metaoptimize"

    def __post_init__(self) -> None:
        if not isinstance(self.base, ScaledUpdate):
            raise InputError(f"{self.name} needs a local update with a step_size, got {self.base!r:.80}")
        if not 0 <= self.discount <= 1:
            raise InputError(f"{self.name} needs a discount in [0, 1], got {self.discount}")
        if self.curvature and not (isinstance(self.base, SGDm) and self.base.momentum == 0):
            raise InputError(f"curvature=True is for SGDm(momentum=0), got {self.base}")
        object.__setattr__(self, "name", self.called)
        object.__setattr__(self, "setup_knowledge", self.learner.setup_knowledge)
        object.__setattr__(self, "dual", "c" if self.tracked else None)

    @property
    def cost(self) -> Cost:
        """What an iteration costs; where blocks depend on the problem, with the numbers of one block."""
        return self._cost(((1,),))

    def _cost(self, shapes: tuple[tuple[int, ...], ...]) -> Cost:
        vectors = 1 + self.learner.shared + self.tracked
        return Cost(rounds=vectors, vectors=vectors, numbers=self.learner.numbers(shapes), gradients=1)

    def total_cost(self, iterations: int, shapes: tuple[tuple[int, ...], ...] = ((1,),)) -> Cost:
        return self._cost(shapes) * iterations

    def init(self, problem: Problem, network: Network, x0: Tensor) -> MetaOptimizeState:
        zero = torch.zeros_like(x0)
        return MetaOptimizeState(
            x=x0,
            trace=zero,
            c=zero if self.tracked else None,
            memory=self.base.init(x0, problem.shapes),
            steps=self.learner.init(self.base.step_size, problem, network, x0, STABLE),
        )

    def step(self, problem: Problem, network: Network, state: MetaOptimizeState) -> MetaOptimizeState:
        gradient = gradient_with_regularizer(problem, state.x)
        followed = gradient if state.c is None else gradient + state.c
        alpha = self.learner.step_size(state.steps, problem)
        direction, memory = self.base.direction(followed, state.memory)
        delta = self.base.along(direction, state.x, alpha)
        moved = network.mix(state.x + delta)
        steps, numbers = self.learner.learn(state.steps, state.trace * followed, problem)
        decay = 1 - self.base.weight_decay * alpha
        if self.curvature:
            decay = decay - alpha * problem.hessian_diagonal(state.x)
        trace = self.discount * (decay * state.trace) + delta
        if self.learner.shared:
            trace, numbers = network.mix_with(trace, numbers)
            steps = self.learner.mixed(steps, numbers)
        else:
            trace = network.self_weight.to(trace) * trace
        c = None if state.c is None else network.mix(followed) - gradient
        return replace(state, x=moved, trace=trace, c=c, memory=memory, steps=steps)
