"""What emits the penalties of MiLoDo's rule with local solves: networks, constants, anything."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor

from gnn_l2o.graph.communication import Ends
from gnn_l2o.graph.exchange import Exchange
from gnn_l2o.nn.facts import GraphFacts
from gnn_l2o.nn.local_state import LocalState


class PenaltySource(ABC):
    """Emits the penalties of :func:`.local_step`; it keeps nothing between calls but its ``memory``.

    Attributes:
        numbers: how many numbers a node sends with z when penalties are recomputed.
        directed: whether its rows of edges are directed edges; otherwise links.
    """

    numbers: int = 0
    directed: bool = False

    @abstractmethod
    def start(self, facts: GraphFacts, curvature: Tensor, exchange: Exchange) -> tuple[Tensor, Tensor, Any]:
        """Return the first penalties, ``(R, d)`` or ``(R, 1)``, the relaxation, ``(N, 1)``, and the memory.

        Args:
            facts: set-up knowledge.
            curvature: the diagonal of the Hessian of f_i, ``(N, d)``, or its mean, ``(N, 1)``.
            exchange: for what neighbours tell each other once (``setup=True``).
        """

    @abstractmethod
    def weight_alone(self, memory: Any) -> Tensor:
        """Return the weight of the local solve of a node without neighbours, ``(N, d)`` or ``(N, 1)``."""

    @abstractmethod
    def message(
        self, state: LocalState, z: Tensor, subgradient: Tensor, weight: Tensor, curvature: Tensor
    ) -> tuple[Tensor, Any]:
        """Return the numbers that a node sends with z, ``(N, numbers)``, and the memory.

        Args:
            state: before the step.
            z: the outcome of the local solve, ``(N, d)``.
            subgradient: of f_i + r there, ``(N, d)``.
            weight: of the local solve, ``(N, d)`` or ``(N, 1)``.
            curvature: the mean eigenvalue of the Hessian of f_i at z, ``(N, 1)``.
        """

    @abstractmethod
    def penalties(self, message: Ends, iteration: int, memory: Any, exchange: Exchange) -> tuple[Tensor, Any]:
        """Return the penalties of the next step, ``(R, d)`` or ``(R, 1)``, and the memory.

        Args:
            message: the numbers of :meth:`message` at both ends of every row of edges. A row that did not arrive
                (:attr:`.Ends.arrived`) keeps its penalty and its memory.
            iteration: steps taken, this one included.
            memory: from :meth:`message`.
            exchange: of the graph.
        """
