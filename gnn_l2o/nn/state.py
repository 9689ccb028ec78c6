"""The state of MiLoDo's rule between two iterations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gnn_l2o.nn.coefficients import Coefficients
from gnn_l2o.nn.facts import GraphFacts
from gnn_l2o.nn.safeguard import Safeguard
from gnn_l2o.nn.stability import StabilityBounds


@dataclass(frozen=True)
class MiLoDoState:
    """State of the rule: iterates, the coefficients last emitted and the memory of what emits them.

    Attributes:
        x: ``(N, d)``, the iterates.
        extrapolated: ``(N, d)``, the point at which the next step takes its gradient: x, or x plus momentum.
        y: ``(N, d)``, the dual variables; over every graph they sum to zero.
        z: ``(N, d)``, the last output of the prox.
        previous: ``(N, d)``, the point at which the last gradient was taken.
        previous_gradient: ``(N, d)``, the last gradient taken.
        difference: ``(R, d)``, the last differences z_i - z_j that were formed edge by edge.
        coefficients: the last ones, ``None`` before the first step.
        operator: what applies frozen coefficients of whole edges (:meth:`.Exchange.operator`), once there is one.
        memory: whatever the source of the coefficients keeps.
        facts: set-up knowledge.
        bounds: stability bounds of the run.
        iteration: steps taken so far.
        safeguard: what nodes have seen of their own changes; ``None`` in a run without safeguard.
    """

    x: Tensor
    extrapolated: Tensor
    y: Tensor
    z: Tensor
    previous: Tensor
    previous_gradient: Tensor
    difference: Tensor
    coefficients: Coefficients | None
    operator: Tensor | None
    memory: Any
    facts: GraphFacts
    bounds: StabilityBounds
    iteration: int
    safeguard: Safeguard | None = None

    @classmethod
    def first(cls, x: Tensor, gradient: Tensor, memory: Any, facts: GraphFacts, bounds: StabilityBounds) -> MiLoDoState:
        """Return the state before the first step, at ``x``, ``(N, d)``, with y = 0."""
        return cls(
            x=x,
            extrapolated=x,
            y=torch.zeros_like(x),
            z=x,
            previous=x,
            previous_gradient=gradient,
            difference=x.new_zeros(facts.weight.size(0), x.size(1)),
            coefficients=None,
            operator=None,
            memory=memory,
            facts=facts,
            bounds=bounds,
            iteration=0,
        )
