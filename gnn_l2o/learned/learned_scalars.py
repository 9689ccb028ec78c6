"""MiLoDo's rule with a few trained numbers in the place of its networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.communication import Ends
from gnn_l2o.graph.exchange import Exchange
from gnn_l2o.learned.architecture import GRID_SEARCH, Architecture
from gnn_l2o.learned.milodo import MiLoDo
from gnn_l2o.learned.schedule import RecomputeSchedule
from gnn_l2o.nn.coefficient_source import CoefficientSource, Message, SourceCost
from gnn_l2o.nn.coefficients import Coefficients
from gnn_l2o.nn.edge_preconditioner import bounded_edge_weights
from gnn_l2o.nn.facts import GraphFacts
from gnn_l2o.nn.features import known_at_both, known_at_edges, known_at_nodes, known_features, secant_curvature
from gnn_l2o.nn.lstm import logit
from gnn_l2o.nn.preconditioner import scale_free_trials
from gnn_l2o.nn.stability import StabilityBounds, max_momentum
from gnn_l2o.nn.state import MiLoDoState
from gnn_l2o.nn.step_size import (
    MAX_MOMENTUM,
    StepSizeLimits,
    bounded_step_size,
    limits_with_momentum,
    limits_without_momentum,
    max_share,
    momentum_logit,
    proposed_momentum,
    step_size_for,
)

_EDGE_ROWS = (2, 3)  # of the coefficients


@dataclass(frozen=True)
class ScalarsMemory:
    """What :class:`LearnedScalars` keep between two recomputations.

    Attributes:
        max_curvature: the largest secant curvature so far, ``(N, 1)``.
        nodes: 1 and the constant features of nodes, ``(N, 1 + features)``.
        edges: 1 and those of edges, ``(R, 1 + features)``.
        limits: of the step size, with momentum; without, they follow the mixing weights.
    """

    max_curvature: Tensor
    nodes: Tensor
    edges: Tensor
    limits: StepSizeLimits | None


class LearnedScalars(nn.Module, CoefficientSource):
    r"""Coefficients from a few numbers, in the units in which the scale-free networks emit theirs.

    They take the place of the outputs o from which :func:`.bounded_step_size`, :func:`.bounded_edge_weights` and, if
    ``accelerated``, :func:`.proposed_momentum` compute coefficients. If ``linear``, each output is a number plus
    multiples of the constant features of nodes and edges (:func:`.known_at_nodes`, :func:`.known_at_edges`), without
    the networks' inputs that change during a run. A :class:`.CoefficientSource`.

    Args:
        linear: whether the coefficients depend on graph and problem.
        accelerated: whether there is momentum.
    """

    spectral_gap = True

    def __init__(self, linear: bool = True, accelerated: bool = False) -> None:
        super().__init__()
        self.accelerated = accelerated
        # Rows: step, own step, dual, mixing (and momentum); columns: 1 and the constant features of a node or edge.
        self.coefficients = nn.Parameter(torch.zeros(4 + accelerated, 1 + known_features(spectral_gap=True) * linear))

    @property
    def momentum_bound(self) -> float:  # type: ignore[override]  # a constant elsewhere
        """The largest momentum that they emit."""
        return MAX_MOMENTUM if self.accelerated else 0.0

    def recompute_cost(self, shapes: tuple[tuple[int, ...], ...]) -> SourceCost:
        return SourceCost(numbers=1, minima=int(not self.accelerated))

    def emit(self, step: float, dual: float, mixing: float, momentum: float = 0.95, own: float = 0.5) -> None:
        """Make the coefficients the same multiples of their units on every graph, see :meth:`.Preconditioner.emit`.

        Raises:
            InputError: they are not between 0 and 0.8 (with momentum 1.2), 1 and 1, the momentum 0.97, and own 1.
        """
        numbers = [logit("step", step, max_share(self.accelerated)), logit("own", own)]
        numbers += [logit("dual", dual), logit("mixing", mixing), *[momentum_logit(momentum)] * self.accelerated]
        nn.init.zeros_(self.coefficients)
        with torch.no_grad():
            self.coefficients[:, 0] = torch.tensor(numbers)

    @property
    def trials(self) -> list[dict[str, float]]:
        """See :func:`.scale_free_trials`."""
        return scale_free_trials(self.accelerated)

    def constants(self) -> tuple[Tensor, Tensor]:
        """Return the outputs that :meth:`emit` has set, at nodes and at edges."""
        node, edge = (self.coefficients.detach()[list(rows), 0] for rows in (self._node_rows, _EDGE_ROWS))
        return node, edge

    def known(self, state: MiLoDoState, exchange: Exchange) -> tuple[Tensor, Tensor]:
        """Return the constant features of nodes and edges, of which :meth:`emit_linear` has coefficients."""
        return known_at_both(state.facts, exchange, self.spectral_gap)

    def emit_linear(self, node: Tensor, edge: Tensor) -> None:
        """Set all numbers; see :meth:`.Preconditioner.emit_linear`."""
        with torch.no_grad():
            self.coefficients[list(self._node_rows)] = node.t()
            self.coefficients[list(_EDGE_ROWS)] = edge.t()

    @property
    def _node_rows(self) -> tuple[int, ...]:
        return (0, 1, 4)[: 2 + self.accelerated]

    def init_memory(
        self, x: Tensor, gradient: Tensor, facts: GraphFacts, bounds: StabilityBounds, exchange: Exchange
    ) -> ScalarsMemory:
        nodes, edges = (
            torch.cat([torch.ones_like(known[0]), *known], dim=1)
            for known in (known_at_nodes(facts, True), known_at_edges(facts, exchange, True))
        )
        limits = limits_with_momentum(facts, bounds, exchange) if self.accelerated else None
        return ScalarsMemory(x.new_zeros(x.size(0), 1), nodes, edges, limits)

    def preconditioner(self, state: MiLoDoState, gradient: Tensor, exchange: Exchange) -> tuple[Tensor, ScalarsMemory]:
        memory: ScalarsMemory = state.memory
        memory = replace(memory, max_curvature=torch.maximum(memory.max_curvature, secant_curvature(state, gradient)))
        step, own = self._outputs(slice(0, 2), memory.nodes)
        limits = memory.limits or limits_without_momentum(state.bounds, state.coefficients, exchange)
        return bounded_step_size(step, own, limits, memory.max_curvature, state.bounds), memory

    def frozen_preconditioner(self, state: MiLoDoState, frozen: Tensor, gradient: Tensor) -> Tensor:
        return torch.minimum(frozen, step_size_for(secant_curvature(state, gradient), state.bounds))

    def message(self, preconditioner: Tensor, memory: ScalarsMemory) -> Message:
        return Message(numbers=preconditioner)

    def edge_weights(
        self, state: MiLoDoState, z: Ends, message: tuple[Ends, ...], memory: ScalarsMemory, exchange: Exchange
    ) -> tuple[Tensor, Tensor, ScalarsMemory]:
        dual, mixing = self._outputs(slice(2, 4), memory.edges)
        return *bounded_edge_weights(dual, mixing, message[0], state.bounds), memory

    def momentum(
        self, bounds: StabilityBounds, coefficients: Coefficients, memory: ScalarsMemory, exchange: Exchange
    ) -> Tensor | None:
        if not self.accelerated:
            return None
        (output,) = self._outputs(slice(4, 5), memory.nodes)
        return torch.minimum(proposed_momentum(output), max_momentum(bounds, coefficients, exchange))

    def _outputs(self, rows: slice, known: Tensor) -> Tensor:
        """Return some rows' numbers for nodes or edges with these features, ``(rows, nodes or edges, 1)``."""
        coefficients = self.coefficients[rows]
        return (known[:, : coefficients.size(1)] @ coefficients.t()).t().unsqueeze(2)


@dataclass(frozen=True)
class LearnedScalarsArchitecture(Architecture[LearnedScalars]):
    """MiLoDo's rule with a few trained numbers.

    Training may begin at ``"averaging"``: mixing weights near their maximum and, by default, 0.4 of the maximal stable
    step size; or at ``"grid_search"``, see :mod:`gnn_l2o.training.grid_search`.

    Attributes:
        linear: whether the coefficients depend on graph and problem.
        accelerated: whether there is momentum.
        warmup: the number of first iterations that each recompute the coefficients, as the secant curvature changes.
        recompute_every: the number of iterations between later recomputations; 0 freezes the coefficients.
    """

    name = "learned_scalars"
    description = "MiLoDo's rule, equations (22)-(24), with a few trained numbers in the place of its networks"
    scope = "It runs on graphs of any size and topology and on problems of any dimension."
    inits = ("averaging", GRID_SEARCH)
    may_be_zero = ("warmup", "recompute_every")
    renamed: ClassVar[Mapping[str, str]] = {"refresh_every": "recompute_every"}

    linear: bool = True
    accelerated: bool = False
    warmup: int = 20
    recompute_every: int = 0

    @property
    def default_step_size(self) -> float:
        return 0.9 if self.accelerated else 0.4

    @property
    def step_size_limit(self) -> float:
        return max_share(self.accelerated)

    def build(self) -> LearnedScalars:
        return LearnedScalars(self.linear, self.accelerated)

    def initialize(self, weights: LearnedScalars, init: str, step_size: float | None) -> None:
        if init == GRID_SEARCH and not self.linear:
            raise InputError(
                f"init {GRID_SEARCH!r} makes the numbers depend on graph and problem; expected linear = true"
            )
        weights.emit(self.default_step_size if step_size is None else step_size, 0.2, 0.9)

    def algorithm(self, weights: LearnedScalars, name: str | None = None) -> MiLoDo:
        schedule = RecomputeSchedule(self.warmup, self.recompute_every)
        return MiLoDo(weights, schedule, name=name or self.name)
