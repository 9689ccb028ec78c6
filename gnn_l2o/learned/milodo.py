"""MiLoDo as an algorithm: the rule, what emits its coefficients, and when."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import Any, Self

import torch
from torch import Tensor, nn

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import Cost
from gnn_l2o.graph.exchange import NetworkExchange
from gnn_l2o.graph.network import Network
from gnn_l2o.learned.architecture import Architecture, Movable
from gnn_l2o.learned.network_facts import SETUP_KNOWLEDGE, network_facts
from gnn_l2o.learned.schedule import ALWAYS, RecomputeSchedule
from gnn_l2o.nn.coefficient_source import CoefficientSource
from gnn_l2o.nn.initial_state import initial_state
from gnn_l2o.nn.milodo_conv import MiLoDoConv
from gnn_l2o.nn.rule import milodo_step
from gnn_l2o.nn.state import MiLoDoState
from gnn_l2o.problems import Problem, Stochastic


@dataclass(frozen=True)
class MiLoDo(Movable[MiLoDoState]):
    """The rule of :func:`~gnn_l2o.nn.rule.milodo_step` (He et al. 2024, Eqs. (22)-(24)) with any coefficients.

    One iteration costs one gradient and one prox for each local step, and one round, in which z crosses every edge.
    Local steps have the samples of :meth:`.Problem.local_draw`. A recomputation of the
    coefficients costs what their source says beyond that (:meth:`.CoefficientSource.recompute_cost`): numbers that
    travel with z, or vectors and minima over the graph in rounds of their own.

    Attributes:
        source: emits p_i, p_ij1, p_ij2 and a_i.
        schedule: when it does.
        name: what tables call it.
        restart: see :func:`~gnn_l2o.nn.rule.milodo_step`.
        step_factors: by what frozen p_i are multiplied, in turn: a Chebyshev step-size schedule.
        local_steps: K, how many steps nodes take between two rounds.
        safeguarded: whether nodes whose changes do not decay fall back (:class:`.Safeguard`). No node does where the
            gradients are stochastic or the losses not convex, since changes need not decay there, nor in training.
        architecture: what it is made of, if it was loaded; for :meth:`save_pretrained`.

    Raises:
        InputError: there is less than one local step.
    """

    setup_knowledge = SETUP_KNOWLEDGE
    dual = "y"
    run_settings = ("local_steps",)

    source: CoefficientSource
    schedule: RecomputeSchedule = ALWAYS
    name: str = "milodo"  # type: ignore[misc]  # a ClassVar elsewhere; here every trained model has its own
    restart: bool = False
    step_factors: tuple[float, ...] = (1.0,)
    local_steps: int = 1
    safeguarded: bool = True
    architecture: Architecture[Any] | None = field(default=None, kw_only=True, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.local_steps < 1:
            raise InputError(f"local_steps must be at least 1, got {self.local_steps}")

    def layer(self) -> MiLoDoConv:
        """Return a layer of PyTorch Geometric models that has the weights of this optimizer, not a copy of them."""
        return MiLoDoConv(self.source)

    @property
    def weights(self) -> CoefficientSource:  # type: ignore[override]  # an attribute elsewhere
        """The source, a module where it is trained."""
        return self.source

    @property
    def setup_cost(self) -> Cost:  # type: ignore[override]  # a ClassVar elsewhere
        # The first gradients are the unit of all features; with the prox they give the relative shrinkage.
        return Cost(gradients=1, proxes=1)

    @property
    def cost(self) -> Cost:
        return Cost(rounds=1, vectors=1, gradients=self.local_steps, proxes=self.local_steps)

    def total_cost(self, iterations: int, shapes: tuple[tuple[int, ...], ...] = ((1,),)) -> Cost:
        recomputations = sum(map(self.schedule.due, range(iterations)))
        more = Cost(**self.source.recompute_cost(shapes)._asdict())
        return super().total_cost(iterations, shapes) + more * recomputations

    def init(self, problem: Problem, network: Network, x0: Tensor) -> MiLoDoState:
        directed = self.source.directed
        return initial_state(
            self.source,
            x0,
            problem.gradient(x0),
            problem.prox,
            network_facts(problem, network, x0, directed=directed),
            NetworkExchange(network, directed),
            max_step_factor=max(self.step_factors),
            safeguarded=self.safeguarded and _is_safeguarded(problem),
        )

    def step(self, problem: Problem, network: Network, state: MiLoDoState) -> MiLoDoState:
        return milodo_step(
            state,
            problem.gradient(state.extrapolated),
            problem.prox,
            self.source,
            NetworkExchange(network, self.source.directed),
            recompute=self.schedule.due(state.iteration),
            restart=self.restart,
            step_factor=self.step_factors[state.iteration % len(self.step_factors)],
            local_gradients=[problem.local_draw(t).gradient for t in range(1, self.local_steps)],
        )

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Self:
        if not isinstance(self.source, nn.Module):
            return self
        return replace(self, source=copy.deepcopy(self.source).to(device=device, dtype=dtype))


def _is_safeguarded(problem: Problem) -> bool:
    convex = problem.lower_bound() is None
    # In training, divergence has to enter the loss.
    return convex and not isinstance(problem, Stochastic) and not torch.is_grad_enabled()
