"""The state of MiLoDo's rule before the first step, whatever holds the graph."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from gnn_l2o.graph.exchange import Exchange
from gnn_l2o.nn.coefficient_source import CoefficientSource
from gnn_l2o.nn.facts import GraphFacts, prox_shrinkage
from gnn_l2o.nn.rule import Prox
from gnn_l2o.nn.safeguard import Safeguard
from gnn_l2o.nn.stability import self_weight_ratio, stability_bounds
from gnn_l2o.nn.state import MiLoDoState


def initial_state(
    source: CoefficientSource,
    x: Tensor,
    gradient: Tensor,
    prox: Prox,
    facts: GraphFacts,
    exchange: Exchange,
    *,
    max_step_factor: float = 1.0,
    safeguarded: bool = False,
) -> MiLoDoState:
    """Return the state before the first step; neighbours tell each other the facts that the source needs.

    Args:
        source: emits the coefficients.
        x: the initial point, ``(N, d)``.
        gradient: grad f_i there, ``(N, d)``.
        prox: (v, p) to prox_{r, Diag(p)}(v).
        facts: from :meth:`.GraphFacts.of`; what follows from the stability bounds is added here.
        exchange: of the graph.
        max_step_factor: the largest factor of the Chebyshev step-size schedule.
        safeguarded: whether nodes watch their changes, see :class:`.Safeguard`.
    """
    bounds = stability_bounds(facts, exchange, momentum=source.momentum_bound, max_step_factor=max_step_factor)
    facts = replace(
        facts,
        prox_shrinkage=prox_shrinkage(x, gradient, bounds.max_step_size, prox),
        self_weight_ratio=self_weight_ratio(bounds, exchange),
    )
    memory = source.init_memory(x, gradient, facts, bounds, exchange)
    first = MiLoDoState.first(x, gradient, memory, facts, bounds)
    return replace(first, safeguard=Safeguard.first(facts.smoothness)) if safeguarded else first
