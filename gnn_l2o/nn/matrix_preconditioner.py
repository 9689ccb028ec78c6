"""The source of coefficients whose preconditioners are matrices: for neural networks."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from gnn_l2o._utils.blocks import Blocks
from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.communication import Ends
from gnn_l2o.graph.exchange import Exchange
from gnn_l2o.nn.coefficient_source import CoefficientSource, Message, SourceCost
from gnn_l2o.nn.coefficients import Coefficients
from gnn_l2o.nn.edge_preconditioner import EdgePreconditioner
from gnn_l2o.nn.facts import GraphFacts
from gnn_l2o.nn.features import known_at_both, known_at_edges, known_at_nodes, known_features, signed_log, stack
from gnn_l2o.nn.lstm import CoordinateLSTM, Memory, logit
from gnn_l2o.nn.stability import StabilityBounds, max_momentum
from gnn_l2o.nn.state import MiLoDoState
from gnn_l2o.nn.step_size import MAX_MOMENTUM, momentum_logit, proposed_momentum
from gnn_l2o.nn.whitening import Whitening

MIN_STEP, MAX_STEP = 1e-3, 10.0
"""The root mean square of a step, relative to that of the initial parameters, lies between these."""
_SEEN = 8  # features of a block besides the constant ones of its node


@dataclass(frozen=True)
class MatrixMemory:
    """What stays between two recomputations; K blocks.

    Attributes:
        unit: root mean square of a node's initial parameters, ``(N, 1)``.
        edge_unit: the mean of both ends' units, ``(R, 1)``.
        known: the constant features of edges, ``(features, R, 1)``.
        first: root mean square of a node's first gradient in every block, ``(N, K)``.
        whitening: of the first gradient and all directions since.
        node, edge: of the LSTMs.
        momentum: the proposed momentum, ``(N, K)``.
        coefficients: of whole blocks: p_i, ``(N, K)``, p_ij1 and p_ij2, ``(R, K)``.
    """

    unit: Tensor
    edge_unit: Tensor
    known: Tensor
    first: Tensor
    whitening: Whitening
    node: Memory
    edge: tuple[Memory, ...]
    momentum: Tensor | None = None
    coefficients: Coefficients | None = None


class MatrixPreconditioner(nn.Module, CoefficientSource):
    r"""Shared recurrent networks that emit coefficients for preconditioners :math:`P_i = \mathrm{Diag}(p_i) M_i`.

    M_i is a :class:`.Whitening` of the past directions :math:`\nabla f_i + y_i` of node i. The networks emit one number
    of each kind a block, a block being one of the arrays that x is made of. A node emits the root mean square of its
    step relative to that of its initial parameters, :math:`10^{4 \, \mathrm{sigmoid}(o) - 3}`, and proposes a momentum;
    an edge emits its coefficients as in :class:`EdgePreconditioner`, from the root mean squares of the differences, and
    in units of the largest eigenvalues of P_i in each block, K numbers that nodes send to each other together with z.
    A :class:`.CoefficientSource`. Frozen, p_i and M_i are those of the last recomputation.

    Args:
        hidden_features: width of the LSTMs.
    """

    spectral_gap = True
    momentum_bound = MAX_MOMENTUM

    def __init__(self, hidden_features: int = 16) -> None:
        super().__init__()
        features = _SEEN + known_features(spectral_gap=True)
        self.node = CoordinateLSTM(features, hidden_features, 2, skip_connection=True)
        self.edge = EdgePreconditioner(hidden_features)

    def recompute_cost(self, shapes: tuple[tuple[int, ...], ...]) -> SourceCost:
        return SourceCost(numbers=len(shapes))

    def emit(self, step: float, dual: float, mixing: float, momentum: float) -> None:
        """Make the networks emit constants whatever their inputs.

        Args:
            step: root mean square of a step relative to that of the initial parameters, between 0.001 and 10.
            dual, mixing, momentum: see :meth:`.Preconditioner.emit`.

        Raises:
            InputError: they are not within their bounds.
        """
        if not MIN_STEP < step < MAX_STEP:
            raise InputError(f"a step lies between {MIN_STEP:g} and {MAX_STEP:g} of the first parameters, got {step:g}")
        share = math.log(step / MIN_STEP) / math.log(MAX_STEP / MIN_STEP)
        self.node.emit([logit("step", share), momentum_logit(momentum)])
        self.edge.emit(dual, mixing)

    @property
    def trials(self) -> list[dict[str, float]]:
        """Constants for grid-search initialization, as :meth:`emit` takes them."""
        return [
            {"step": step, "dual": dual, "momentum": momentum, "mixing": 0.95}
            for step, dual, momentum in itertools.product((0.1, 0.2, 0.3), (0.25, 0.4, 0.55), (0.8, 0.9))
        ]

    def constants(self) -> tuple[Tensor, Tensor]:
        """Return the outputs that :meth:`emit` has set, at nodes and at edges."""
        node, edge = (lstm.outer.bias.detach().clone() for lstm in (self.node, *self.edge.networks))
        return node, edge

    def known(self, state: MiLoDoState, exchange: Exchange) -> tuple[Tensor, Tensor]:
        """Return the constant features of nodes and edges, of which :meth:`emit_linear` has coefficients."""
        return known_at_both(state.facts, exchange, self.spectral_gap)

    def emit_linear(self, node: Tensor, edge: Tensor) -> None:
        """Make the networks emit linear functions of the constant features; see :meth:`.Preconditioner.emit_linear`."""
        for lstm, coefficients in zip((self.node, *self.edge.networks), (node, edge), strict=True):
            lstm.make_linear(coefficients)

    def init_memory(
        self, x: Tensor, gradient: Tensor, facts: GraphFacts, bounds: StabilityBounds, exchange: Exchange
    ) -> MatrixMemory:
        blocks = Blocks(facts.shapes or ((x.size(1),),))
        unit = x.square().mean(dim=1, keepdim=True).sqrt()
        unit = torch.where(unit > 0, unit, torch.ones_like(unit))
        first = blocks.root_mean_squares(gradient)
        return MatrixMemory(
            unit=unit,
            edge_unit=exchange.neighbours(numbers=unit, setup=True)[0].mean,
            known=stack(*known_at_edges(facts, exchange, self.spectral_gap)),
            first=first.clamp(min=torch.finfo(first.dtype).tiny),
            whitening=Whitening(blocks).seen(gradient),
            node=self.node.initial_memory(first),
            edge=self.edge.initial_memory(facts.weight.expand(-1, len(blocks.shapes))),
        )

    def preconditioner(self, state: MiLoDoState, gradient: Tensor, exchange: Exchange) -> tuple[Tensor, MatrixMemory]:
        memory: MatrixMemory = state.memory
        direction = gradient + state.y
        whitening = memory.whitening.seen(direction)
        output, recurrent = self.node(self._features(state, gradient, direction), memory.node)
        size = memory.unit * MIN_STEP * (MAX_STEP / MIN_STEP) ** torch.sigmoid(output[0])
        assert whitening.largest is not None  # it has just seen a direction
        step = size * whitening.largest
        edge = step.new_zeros(state.facts.weight.size(0), step.size(1))
        memory = replace(
            memory,
            whitening=whitening,
            node=recurrent,
            momentum=proposed_momentum(output[1]),
            coefficients=Coefficients(step, edge, edge),
        )
        return whitening.blocks.spread(step), memory

    def _features(self, state: MiLoDoState, gradient: Tensor, direction: Tensor) -> Tensor:
        memory: MatrixMemory = state.memory
        blocks, unit = memory.whitening.blocks, memory.unit
        tiny = torch.finfo(gradient.dtype).tiny
        progress = (blocks.root_mean_squares(direction) / memory.first).clamp(1e-4, 1e4).log10()
        last = state.previous_gradient
        norms = (blocks.dots(gradient, gradient) * blocks.dots(last, last)).sqrt()
        like = progress.new_ones(progress.shape)
        rows, columns = (0.5 * like.new_tensor(s).log10().expand_as(like) for s in zip(*blocks.sides, strict=True))
        features = [
            0.5 * progress,
            blocks.dots(gradient, last) / norms.clamp(min=tiny),
            signed_log(blocks.root_mean_squares(state.z - state.x), unit),
            signed_log(blocks.root_mean_squares(state.x), unit),
            signed_log(blocks.root_mean_squares(state.extrapolated - state.previous), unit),
            0.5 * math.log10(1 + state.iteration) * like,
            rows,
            columns,
            *(known.expand_as(like) for known in known_at_nodes(state.facts, spectral_gap=True)),
        ]
        return torch.stack(features)

    def precondition(self, memory: MatrixMemory, direction: Tensor) -> Tensor:
        return memory.whitening.apply(direction)

    def message(self, preconditioner: Tensor, memory: MatrixMemory) -> Message:
        assert memory.coefficients is not None  # set with the preconditioner
        return Message(numbers=memory.coefficients.preconditioner)

    def edge_weights(
        self, state: MiLoDoState, z: Ends, message: tuple[Ends, ...], memory: MatrixMemory, exchange: Exchange
    ) -> tuple[Tensor, Tensor, MatrixMemory]:
        blocks = memory.whitening.blocks
        dual, mixing, edge = self.edge(  # for which the root mean square of a block is a coordinate
            message[0],
            blocks.root_mean_squares(z.difference),
            blocks.root_mean_squares(state.difference),
            blocks.root_mean_squares(z.own) + blocks.root_mean_squares(z.other),
            memory.edge_unit,
            memory.known,
            memory.edge,
            state.bounds,
            exchange,
        )
        assert memory.coefficients is not None
        coefficients = replace(memory.coefficients, dual_step_size=dual, mixing_weight=mixing)
        memory = replace(memory, edge=edge, coefficients=coefficients)
        return blocks.spread(dual), blocks.spread(mixing), memory

    def momentum(
        self, bounds: StabilityBounds, coefficients: Coefficients, memory: MatrixMemory, exchange: Exchange
    ) -> Tensor:
        assert memory.coefficients is not None and memory.momentum is not None
        momentum = torch.minimum(memory.momentum, max_momentum(bounds, memory.coefficients, exchange))
        return memory.whitening.blocks.spread(momentum)
