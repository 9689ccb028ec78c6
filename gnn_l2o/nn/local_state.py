"""The state of MiLoDo's rule with local solves between two iterations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gnn_l2o.nn.facts import GraphFacts


@dataclass(frozen=True)
class Previous:
    """What is kept of the iteration before the last.

    Attributes:
        x: ``(N, d)``.
        apart: ``(N, d)``.
    """

    x: Tensor
    apart: Tensor


@dataclass(frozen=True)
class LocalState:
    """State of :func:`~gnn_l2o.nn.local_rule.local_step`.

    Attributes:
        x: ``(N, d)``, the iterates, after the local solve.
        y: ``(N, d)``, the dual variables; over every graph they sum to zero.
        center: ``(N, d)``, x^, the point near which the next local solve looks.
        middle: ``(R, d)``, a, what the two ends of an edge keep of their common past.
        apart: ``(N, d)``, d, the sums of the last penalized differences.
        previous: x and d of the iteration before.
        subgradient: ``(N, d)``, of f_i + r at x.
        penalty: rho_ij, ``(R, d)`` or ``(R, 1)``.
        weight: w, the sums of the penalties at the nodes, ``(N, d)`` or ``(N, 1)``.
        alone: which nodes have no neighbours, ``(N, 1)``.
        relaxation: alpha, ``(N, 1)``.
        memory: whatever the source of the penalties keeps.
        facts: set-up knowledge.
        iteration: steps taken so far.
    """

    x: Tensor
    y: Tensor
    center: Tensor
    middle: Tensor
    apart: Tensor
    previous: Previous
    subgradient: Tensor
    penalty: Tensor
    weight: Tensor
    alone: Tensor
    relaxation: Tensor
    memory: Any
    facts: GraphFacts
    iteration: int
