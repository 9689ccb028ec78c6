"""MiLoDo's rule with local solves as a learned optimizer."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import Any, Self

import torch
from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.graph.exchange import NetworkExchange
from gnn_l2o.graph.network import Network
from gnn_l2o.learned.architecture import GRID_SEARCH, Architecture, Movable
from gnn_l2o.learned.network_facts import SETUP_KNOWLEDGE, network_facts
from gnn_l2o.learned.schedule import RecomputeSchedule
from gnn_l2o.nn.facts import prox_shrinkage
from gnn_l2o.nn.local_conv import LocalMiLoDoConv
from gnn_l2o.nn.local_rule import initial_local_state, local_step
from gnn_l2o.nn.local_state import LocalState
from gnn_l2o.nn.penalty_network import PenaltyNetwork
from gnn_l2o.problems import Problem

FAR_BELOW = 1e-5
"""Penalties were trained with nodes whose curvatures differ by up to four decades; see :func:`.added_curvature`."""


@dataclass(frozen=True)
class LocalMiLoDo(Movable[LocalState]):
    """The rule of :func:`~gnn_l2o.nn.local_rule.local_step` with penalties from a :class:`.PenaltyNetwork`.

    One iteration costs one local solve and one round, in which z crosses every edge, with a few numbers while penalties
    are recomputed. Before the first, neighbours tell each other d numbers each.

    Attributes:
        source: emits the penalties.
        schedule: when it does.
        name: what tables call it.
        diagonal: whether penalties differ by coordinate.
        local_steps: accelerated prox-gradient steps of a local solve; ``None`` for exact ones, by which it was trained.
        architecture: what it is made of, if it was loaded; for :meth:`save_pretrained`.
    """

    setup_knowledge = SETUP_KNOWLEDGE
    dual = "y"
    run_settings = ("local_steps",)

    source: PenaltyNetwork
    schedule: RecomputeSchedule
    name: str = "local_milodo"  # type: ignore[misc]  # a ClassVar elsewhere; here every trained model has its own
    diagonal: bool = True
    local_steps: int | None = None
    architecture: Architecture[Any] | None = field(default=None, kw_only=True, repr=False, compare=False)

    def layer(self) -> LocalMiLoDoConv:
        """Return a layer of PyTorch Geometric models that has the weights of this optimizer, not a copy of them."""
        return LocalMiLoDoConv(self.source)

    @property
    def weights(self) -> PenaltyNetwork:  # type: ignore[override]  # an attribute elsewhere
        """The source."""
        return self.source

    @property
    def setup_cost(self) -> Cost:  # type: ignore[override]  # a ClassVar elsewhere
        # The first gradients and their prox give the relative shrinkage.
        return Cost(gradients=1, proxes=1)

    @property
    def cost(self) -> Cost:
        return Cost(rounds=1, vectors=1, solves=1)

    def total_cost(self, iterations: int, shapes: tuple[tuple[int, ...], ...] = ((1,),)) -> Cost:
        recomputations = sum(map(self.schedule.due, range(iterations)))
        return super().total_cost(iterations, shapes) + Cost(numbers=self.source.numbers) * recomputations

    def refusal(self, problem: Problem, network: Network) -> str | None:
        refused = super().refusal(problem, network)
        if refused is not None or problem.lower_bound() is None:
            return refused
        return "its local solves are for convex problems; this one is not convex (for a neural network take milodo_mlp)"

    def init(self, problem: Problem, network: Network, x0: Tensor) -> LocalState:
        facts = network_facts(problem, network, x0, far_below=FAR_BELOW)
        shrinkage = prox_shrinkage(x0, problem.gradient(x0), 1 / facts.smoothness, problem.prox)
        facts = replace(facts, prox_shrinkage=shrinkage)
        # Where a loss is not convex, an estimated entry may be negative.
        curvature = facts.mean_curvature
        if self.diagonal:
            curvature = problem.hessian_diagonal(x0).clamp(min=0) + facts.added_curvature
        return initial_local_state(self.source, x0, facts, curvature, NetworkExchange(network))

    def step(self, problem: Problem, network: Network, state: LocalState) -> LocalState:
        def solve(center: Tensor, weight: Tensor, start: Tensor) -> Tensor:
            return problem.local_solve(center, weight, start, steps=self.local_steps)

        curvature = problem.curvature_at if self.schedule.due(state.iteration) else None
        return local_step(state, solve, self.source, NetworkExchange(network), curvature=curvature)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Self:
        return replace(self, source=copy.deepcopy(self.source).to(device=device, dtype=dtype))


@dataclass(frozen=True)
class LocalMiLoDoArchitecture(Architecture[PenaltyNetwork]):
    """MiLoDo's rule with local solves and penalties from LSTMs that all nodes and edges share.

    Training may begin at ``"constant"``: penalties of the mean curvature, shared by the edges of a node; or at
    ``"grid_search"``: penalties that depend on graph and problem as the best constants do
    (:mod:`gnn_l2o.training.grid_search`).

    Attributes:
        hidden_features: width of the LSTMs.
        edges: whether there is an LSTM at edges.
        diagonal: whether penalties differ by coordinate, for which neighbours tell each other d numbers once.
        warmup: the number of first iterations that each recompute the penalties.
        recompute_every: the number of iterations between later recomputations; 0 freezes the penalties.
    """

    name = "local_milodo"
    description = "MiLoDo's rule with local solves, and penalties from LSTMs that all nodes and edges share"
    scope = "It runs on graphs of any size and topology and on problems of any dimension."
    inits = (GRID_SEARCH, "constant")
    may_be_zero = ("warmup", "recompute_every")

    hidden_features: int = 16
    edges: bool = True
    diagonal: bool = True
    warmup: int = 64
    recompute_every: int = 0

    def build(self) -> PenaltyNetwork:
        return PenaltyNetwork(self.hidden_features, edges=self.edges)

    def algorithm(self, weights: PenaltyNetwork, name: str | None = None) -> LocalMiLoDo:
        schedule = RecomputeSchedule(self.warmup, self.recompute_every)
        return LocalMiLoDo(weights, schedule, name=name or self.name, diagonal=self.diagonal)
