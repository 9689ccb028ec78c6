"""MiLoDo's rule with a few trained numbers in the place of its networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gnn_l2o._utils.errors import InputError
from gnn_l2o.learned.architecture import GRID_SEARCH, Architecture
from gnn_l2o.learned.milodo import MiLoDo, RecomputeSchedule
from gnn_l2o.nn.edge_preconditioner import bounded_edge_weights
from gnn_l2o.nn.features import known_at_edges, known_at_nodes, known_features, secant_curvature
from gnn_l2o.nn.lstm import logit
from gnn_l2o.nn.node_preconditioner import (
    MAX_MOMENTUM,
    bounded_step,
    margin,
    momentum_logit,
    proposed_momentum,
    step_with,
)
from gnn_l2o.nn.preconditioner import scale_free_trials
from gnn_l2o.nn.rule import Coefficients, Exchange, GraphFacts, MiLoDoState

_EDGE_ROWS = (2, 3)  # of the coefficients


class LearnedScalars(nn.Module):
    r"""Coefficients from a few numbers, in the units in which the scale-free networks emit theirs.

    They take the place of the outputs o that :func:`.bounded_step`, :func:`.bounded_edge_weights` and, if
    ``accelerated``, :func:`.proposed_momentum` make gains of. If ``linear``, each output is a number plus multiples of
    what nodes and edges know of graph and problem (:func:`.known_at_nodes`, :func:`.known_at_edges`), without what the
    networks see of the run. A :class:`~gnn_l2o.nn.rule.CoefficientSource`, whose memory is the greatest curvature met so far.

    Args:
        linear: whether the numbers depend on graph and problem.
        accelerated: whether there is momentum.
    """

    spectral_gap = True

    def __init__(self, linear: bool = True, accelerated: bool = False) -> None:
        super().__init__()
        self.accelerated = accelerated
        # Rows: step, own step, dual, primal (and momentum); columns: 1 and what is known at a node or edge.
        self.coefficients = nn.Parameter(torch.zeros(4 + accelerated, 1 + known_features(spectral_gap=True) * linear))

    @property
    def momentum_bound(self) -> float:
        """The largest momentum it emits."""
        return MAX_MOMENTUM if self.accelerated else 0.0

    def emit(self, step: float, dual: float, primal: float, momentum: float = 0.95, own: float = 0.5) -> None:
        """Make the gains the same multiples of their units on every graph, see :meth:`.Preconditioner.emit`.

        Raises:
            InputError: they are not between 0 and 0.8 (with momentum 1.2), 1 and 1, the momentum 0.97, and own 1.
        """
        numbers = [logit("step", step, margin(self.accelerated)), logit("own", own)]
        numbers += [logit("dual", dual), logit("primal", primal), *[momentum_logit(momentum)] * self.accelerated]
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

    def emit_linear(self, node: Tensor, edge: Tensor) -> None:
        """Set all numbers; see :meth:`.Preconditioner.emit_linear`."""
        with torch.no_grad():
            self.coefficients[list(self._node_rows)] = node.t()
            self.coefficients[list(_EDGE_ROWS)] = edge.t()

    @property
    def _node_rows(self) -> tuple[int, ...]:
        return (0, 1, 4)[: 2 + self.accelerated]

    def init_memory(self, x: Tensor, gradient: Tensor, context: GraphFacts) -> Tensor:
        return x.new_zeros(x.size(0), 1)

    def node_preconditioner(self, state: MiLoDoState, gradient: Tensor) -> tuple[Tensor, Tensor]:
        peak = torch.maximum(state.memory, secant_curvature(state, gradient))
        step, own = self._at_nodes(slice(0, 2), state.context)
        return bounded_step(step, own, state.context, peak, state.gains), peak

    def frozen_preconditioner(self, state: MiLoDoState, held: Tensor, gradient: Tensor) -> Tensor:
        return torch.minimum(held, step_with(secant_curvature(state, gradient), state.context))

    def edge_weights(
        self, state: MiLoDoState, step: Tensor, z: Tensor, difference: Tensor, memory: Any, exchange: Exchange
    ) -> tuple[Tensor, Tensor, Tensor]:
        context = state.context
        known = known_at_edges(context, spectral_gap=True)
        dual, primal = self._outputs(slice(2, 4), known)
        return *bounded_edge_weights(dual, primal, step, context), memory

    def momentum(self, context: GraphFacts, gains: Coefficients, memory: Any) -> Tensor | None:
        if not self.accelerated:
            return None
        (output,) = self._at_nodes(slice(4, 5), context)
        return torch.minimum(proposed_momentum(output), context.max_momentum(gains))

    def _at_nodes(self, rows: slice, context: GraphFacts) -> Tensor:
        return self._outputs(rows, known_at_nodes(context, spectral_gap=True))

    def _outputs(self, rows: slice, known: list[Tensor]) -> Tensor:
        """Return some rows' numbers for nodes or edges of which this is known, ``(rows, nodes or edges, 1)``."""
        coefficients = self.coefficients[rows]
        columns = torch.cat([torch.ones_like(known[0]), *known], dim=1)[:, : coefficients.size(1)]
        return (columns @ coefficients.t()).t().unsqueeze(2)


@dataclass(frozen=True)
class LearnedScalarsArchitecture(Architecture[LearnedScalars]):
    """MiLoDo's rule with a few trained numbers.

    Training starts ``"averaging"``: with nearly full averaging and, by default, 0.4 of the longest step; or
    ``"grid_search"``, see :func:`~gnn_l2o.training.grid_search.scout`.

    Attributes:
        linear: whether the numbers depend on graph and problem.
        accelerated: whether there is momentum.
        warmup: refresh the gains in each of the first so many iterations, as the curvature met changes.
        recompute_every: and in each so-manieth afterwards; 0 holds them.
    """

    kind = "learned_scalars"
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
        return margin(self.accelerated)

    def build(self) -> LearnedScalars:
        return LearnedScalars(self.linear, self.accelerated)

    def initialize(self, weights: LearnedScalars, init: str, step: float | None) -> None:
        if init == GRID_SEARCH and not self.linear:
            raise InputError(
                f"init {GRID_SEARCH!r} makes the numbers depend on graph and problem; expected linear = true"
            )
        weights.emit(self.default_step_size if step is None else step, 0.2, 0.9)

    def algorithm(self, weights: LearnedScalars, name: str | None = None) -> MiLoDo:
        schedule = RecomputeSchedule(self.warmup, self.recompute_every)
        return MiLoDo(weights, schedule, name=name or self.kind, momentum_bound=weights.momentum_bound)
