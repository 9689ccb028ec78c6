"""Node and edge preconditioner together: the learned source of MiLoDo's coefficients."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.communication import Ends
from gnn_l2o.graph.exchange import Exchange
from gnn_l2o.nn.coefficient_source import CoefficientSource, Message, SourceCost
from gnn_l2o.nn.coefficients import Coefficients
from gnn_l2o.nn.edge_preconditioner import EdgePreconditioner, EdgeWeights, Symmetrize
from gnn_l2o.nn.facts import GraphFacts
from gnn_l2o.nn.features import first_step_size, known_at_both, known_at_edges, signed_log, stack
from gnn_l2o.nn.lstm import Memory
from gnn_l2o.nn.node_preconditioner import NodeMemory, NodePreconditioner, Parametrization
from gnn_l2o.nn.stability import StabilityBounds, max_momentum
from gnn_l2o.nn.state import MiLoDoState
from gnn_l2o.nn.step_size import MAX_MOMENTUM

_OWN, _DUALS = (0.12, 0.88), (0.2, 0.5, 0.75, 0.92)
_STEPS, _MOMENTA = (0.3, 0.8), (0.5, 0.8, 0.95)
_STEPS_WITHOUT_MOMENTUM = (0.3, 0.7)


def scale_free_trials(accelerated: bool) -> list[dict[str, float]]:
    """Return constants for grid-search initialization, as :meth:`Preconditioner.emit` takes them."""
    steps, momenta = (_STEPS, _MOMENTA) if accelerated else (_STEPS_WITHOUT_MOMENTUM, _MOMENTA[:1])
    return [
        {"step": step, "own": own, "dual": dual, "momentum": momentum, "mixing": 0.9}
        for step, own, dual, momentum in itertools.product(steps, _OWN, _DUALS, momenta)
    ]


@dataclass(frozen=True)
class PreconditionerMemory:
    """What a :class:`Preconditioner` keeps between two recomputations.

    Attributes:
        unit: of the features of a node, :func:`.first_step_size`, ``(N, 1)``.
        edge_unit: the mean of both ends' units, ``(R, 1)``.
        known: the constant features of edges, ``(features, R, 1)``.
        node: of the node's network.
        edge: of the edge's networks.
    """

    unit: Tensor
    edge_unit: Tensor
    known: Tensor
    node: NodeMemory
    edge: tuple[Memory, ...]


class Preconditioner(nn.Module, CoefficientSource):
    """Shared recurrent networks that emit p_i, p_ij1 and p_ij2 (a :class:`.CoefficientSource`).

    Args:
        hidden_features: width of the LSTMs; the paper's is 20.
        parametrization: ``"scale_free"`` or ``"paper"``, see :class:`NodePreconditioner` and
            :class:`EdgePreconditioner`.
        symmetrize: ``"even"`` or ``"mean"``, see :class:`EdgePreconditioner`.
        spectral_gap: whether the scale-free networks' inputs include spectrum and size of the graph.
        accelerated: whether they emit a momentum a_i too, only in the scale-free parametrization. A node gets the
            momentum that its network proposes as far as the other coefficients allow it (:func:`.max_momentum`).
        log_features: whether the scale-free networks' inputs are logarithms of what changes.
        skip_connection: whether the scale-free networks' features also go past them, see :class:`CoordinateLSTM`.
        edge_weights: ``"edge"`` or ``"coordinate"``, see :class:`EdgePreconditioner`.
    """

    def __init__(
        self,
        hidden_features: int = 20,
        *,
        parametrization: Parametrization = "scale_free",
        symmetrize: Symmetrize = "even",
        spectral_gap: bool = True,
        accelerated: bool = False,
        log_features: bool = True,
        skip_connection: bool = True,
        edge_weights: EdgeWeights = "coordinate",
    ) -> None:
        super().__init__()
        self.node = NodePreconditioner(
            hidden_features,
            parametrization=parametrization,
            spectral_gap=spectral_gap,
            accelerated=accelerated,
            log_features=log_features,
            skip_connection=skip_connection,
        )
        self.edge = EdgePreconditioner(
            hidden_features,
            parametrization=parametrization,
            symmetrize=symmetrize,
            spectral_gap=spectral_gap,
            log_features=log_features,
            skip_connection=skip_connection,
            edge_weights=edge_weights,
        )

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments that it was made with."""
        node, edge = self.node, self.edge
        return {
            "hidden_features": node.lstm.hidden_features,
            "parametrization": node.parametrization,
            "symmetrize": edge.symmetrize,
            "spectral_gap": node.spectral_gap,
            "accelerated": node.accelerated,
            "log_features": node.scaled is signed_log,
            "skip_connection": node.lstm.skip_connection is not None,
            "edge_weights": edge.edge_weights,
        }

    @property
    def directed(self) -> bool:  # type: ignore[override]  # a constant elsewhere
        """Whether the rows of edges are directed edges or links."""
        return self.edge.symmetrize == "mean"

    @property
    def accelerated(self) -> bool:
        """Whether they emit a momentum."""
        return self.node.accelerated

    @property
    def spectral_gap(self) -> bool:
        """Whether their inputs include spectrum and size of the graph."""
        return self.node.spectral_gap

    @property
    def momentum_bound(self) -> float:  # type: ignore[override]  # a constant elsewhere
        """The largest momentum that they emit."""
        return MAX_MOMENTUM if self.node.accelerated else 0.0

    def recompute_cost(self, shapes: tuple[tuple[int, ...], ...]) -> SourceCost:
        swaps, minima = int(self.directed), int(self.node.takes_minima)
        if self.node.parametrization == "paper":
            return SourceCost(rounds=swaps, vectors=swaps)
        whole_edges = self.edge.edge_weights == "edge"
        return SourceCost(
            rounds=swaps + (not whole_edges),
            vectors=swaps + (not whole_edges),
            numbers=int(whole_edges),
            minima=minima,
        )

    def reset_parameters(self) -> None:
        """Draw all weights anew: the paper's random initialization (E.1)."""
        self.node.reset_parameters()
        self.edge.reset_parameters()

    def emit(self, step: float, dual: float, mixing: float, momentum: float = 0.95, own: float = 0.5) -> None:
        r"""Make the networks emit constants whatever their inputs, from which training then departs.

        They are :math:`p_i = s c_i` among nodes that are alike (:func:`.bounded_step_size`), and the shares t and u of
        :func:`.bounded_edge_weights`; in the paper's parametrization s, :math:`t w_{ij}` and :math:`u w_{ij}`.

        Args:
            step: s, in the scale-free parametrization between 0 and 0.8, or 1.2 if accelerated.
            dual: t, there between 0 and 1.
            mixing: u, there between 0 and 1.
            momentum: the proposed momentum if accelerated, between 0 and 0.97.
            own: :math:`\theta` in the scale-free parametrization, between 0 and 1.

        Raises:
            InputError: they are not.
        """
        self.node.emit(step, momentum, own)
        self.edge.emit(dual, mixing)

    @property
    def trials(self) -> list[dict[str, float]]:
        """See :func:`scale_free_trials`."""
        return scale_free_trials(self.accelerated)

    def constants(self) -> tuple[Tensor, Tensor]:
        """Return the outputs that :meth:`emit` has set in the scale-free parametrization, at nodes and at edges."""
        node, edge = (lstm.outer.bias.detach().clone() for lstm in (self.node.lstm, *self.edge.networks))
        return node, edge

    def known(self, state: MiLoDoState, exchange: Exchange) -> tuple[Tensor, Tensor]:
        """Return the constant features of nodes and edges, of which :meth:`emit_linear` has coefficients."""
        return known_at_both(state.facts, exchange, self.spectral_gap)

    def emit_linear(self, node: Tensor, edge: Tensor) -> None:
        """Make the networks emit linear functions of the constant features; scale-free with a skip connection only.

        Args:
            node: coefficients of 1 and of :func:`.known_at_nodes`, ``(1 + features, outputs)``.
            edge: of 1 and of :func:`.known_at_edges`, so too.
        """
        for lstm, coefficients in zip((self.node.lstm, *self.edge.networks), (node, edge), strict=True):
            lstm.make_linear(coefficients)

    def emit_exact_diffusion(self, step_size: float) -> None:
        r"""Make the rule exact diffusion with step size :math:`\gamma`, the paper's special initialization (E.1).

        Args:
            step_size: :math:`\gamma`.

        Raises:
            InputError: the parametrization is not the paper's; scale-free coefficients have no single step size.
        """
        if self.node.parametrization != "paper":
            raise InputError("exact diffusion is an initialization for parametrization 'paper', got 'scale_free'")
        self.emit(step_size, 1 / (2 * step_size), 0.5)

    def init_memory(
        self, x: Tensor, gradient: Tensor, facts: GraphFacts, bounds: StabilityBounds, exchange: Exchange
    ) -> PreconditionerMemory:
        # LSTM states are zero at first: the paper draws them, which makes runs irreproducible.
        unit = first_step_size(gradient, facts.smoothness)
        edges = facts.weight.expand(-1, x.size(1))
        if self.node.parametrization == "paper":
            edge_unit = known = facts.weight  # not among the inputs
        else:
            edge_unit = exchange.neighbours(numbers=unit, setup=True)[0].mean
            known = stack(*known_at_edges(facts, exchange, self.spectral_gap))
        node = self.node.init_memory(x, facts, bounds, exchange)
        return PreconditionerMemory(unit, edge_unit, known, node, self.edge.initial_memory(edges))

    def preconditioner(
        self, state: MiLoDoState, gradient: Tensor, exchange: Exchange
    ) -> tuple[Tensor, PreconditionerMemory]:
        memory: PreconditionerMemory = state.memory
        step_size, node = self.node(state, gradient, memory.unit, memory.node, exchange)
        return step_size, replace(memory, node=node)

    def frozen_preconditioner(self, state: MiLoDoState, frozen: Tensor, gradient: Tensor) -> Tensor:
        return self.node.frozen_preconditioner(state, frozen, gradient)

    def message(self, preconditioner: Tensor, memory: PreconditionerMemory) -> Message:
        if self.node.parametrization == "paper":
            return Message()
        if self.edge.edge_weights == "edge":
            return Message(numbers=preconditioner.amax(dim=1, keepdim=True))
        return Message(vectors=(preconditioner,))

    def edge_weights(
        self,
        state: MiLoDoState,
        z: Ends,
        message: tuple[Ends, ...],
        memory: PreconditionerMemory,
        exchange: Exchange,
    ) -> tuple[Tensor, Tensor, PreconditionerMemory]:
        step_size = message[0] if message else None
        dual, mixing, edge = self.edge(
            step_size,
            z.difference,
            state.difference,
            z.own.abs() + z.other.abs(),
            memory.edge_unit,
            memory.known,
            memory.edge,
            state.bounds,
            exchange,
        )
        return dual, mixing, replace(memory, edge=edge)

    def momentum(
        self, bounds: StabilityBounds, coefficients: Coefficients, memory: PreconditionerMemory, exchange: Exchange
    ) -> Tensor | None:
        if not self.node.accelerated:
            return None
        return torch.minimum(memory.node.momentum, max_momentum(bounds, coefficients, exchange))
