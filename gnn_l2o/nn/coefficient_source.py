"""What emits the coefficients of MiLoDo's rule: networks, constants, anything."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from torch import Tensor

from gnn_l2o.graph.communication import Ends
from gnn_l2o.graph.exchange import Exchange
from gnn_l2o.nn.coefficients import Coefficients
from gnn_l2o.nn.facts import GraphFacts
from gnn_l2o.nn.stability import StabilityBounds
from gnn_l2o.nn.state import MiLoDoState


class Message(NamedTuple):
    """What a node sends to its neighbours together with z when coefficients are recomputed."""

    vectors: tuple[Tensor, ...] = ()  # (N, d) each
    numbers: Tensor | None = None  # (N, k)


class SourceCost(NamedTuple):
    """What a recomputation of the coefficients costs beyond the exchange of z: see :class:`.Cost`."""

    rounds: int = 0
    vectors: int = 0
    numbers: int = 0
    minima: int = 0


class CoefficientSource(ABC):
    """Emits the coefficients of :func:`.milodo_step`; it keeps nothing between calls but its ``memory``.

    The memory is whatever the source returns: a tensor, ``None``, or a frozen dataclass of tensors.

    Attributes:
        momentum_bound: A in [0, 1), the largest momentum that it emits; 0 for the paper's rule, which has none.
        directed: whether its rows of edges are directed edges; otherwise links.
    """

    momentum_bound: float = 0.0
    directed: bool = False

    def recompute_cost(self, shapes: tuple[tuple[int, ...], ...]) -> SourceCost:
        """Return what every recomputation costs where x is made of arrays of these shapes."""
        return SourceCost()

    def init_memory(
        self, x: Tensor, gradient: Tensor, facts: GraphFacts, bounds: StabilityBounds, exchange: Exchange
    ) -> Any:
        """Return the memory before the first step.

        Args:
            x: the initial point, ``(N, d)``.
            gradient: grad f_i there, ``(N, d)``.
            facts: set-up knowledge.
            bounds: of the run.
            exchange: for facts that neighbours tell each other once (``setup=True``).
        """
        return None

    @abstractmethod
    def preconditioner(self, state: MiLoDoState, gradient: Tensor, exchange: Exchange) -> tuple[Tensor, Any]:
        """Return p_i, ``(N, d)`` or ``(N, 1)``, and the memory (He et al. 2024, Eq. (25)).

        Args:
            state: before the step.
            gradient: grad f_i at ``state.extrapolated``, ``(N, d)``.
            exchange: for a minimum over the graph.
        """

    def precondition(self, memory: Any, direction: Tensor) -> Tensor:
        r"""Return :math:`M_i v`, ``(N, d)`` to ``(N, d)``; here v.

        For preconditioners :math:`P_i = \mathrm{Diag}(p_i) M_i` that are no diagonal matrices, as in the paper's
        Theorem 1, where (22) comes from. M_i is symmetric positive definite with a largest eigenvalue of 1 and commutes
        with Diag(p_i); only where r is zero.
        """
        return direction

    def message(self, preconditioner: Tensor, memory: Any) -> Message:
        """Return what the neighbours need for :meth:`edge_weights` beside z."""
        return Message()

    @abstractmethod
    def edge_weights(
        self, state: MiLoDoState, z: Ends, message: tuple[Ends, ...], memory: Any, exchange: Exchange
    ) -> tuple[Tensor, Tensor, Any]:
        """Return p_ij1 and p_ij2, ``(R, d)`` or ``(R, 1)``, and the memory for the next step (Eqs. (26)-(28)).

        Args:
            state: before the step.
            z: z at both ends of every row.
            message: the vectors and numbers of :meth:`message` there.
            memory: from :meth:`preconditioner`.
            exchange: for :meth:`.Exchange.swap`, Eq. (28).
        """

    def momentum(
        self, bounds: StabilityBounds, coefficients: Coefficients, memory: Any, exchange: Exchange
    ) -> Tensor | None:
        """Return a_i once the other coefficients are known, ``(N, d)`` or ``(N, 1)``; ``None`` for the paper's rule."""
        return None

    def frozen_preconditioner(self, state: MiLoDoState, frozen: Tensor, gradient: Tensor) -> Tensor:
        """Return a frozen p_i, or less where it proves too large; called in every ``CHECK_EVERY``-th iteration."""
        return frozen
