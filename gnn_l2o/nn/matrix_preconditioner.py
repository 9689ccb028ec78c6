"""The source of gains whose preconditioners are matrices: for neural networks."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from gnn_l2o._utils.blocks import Blocks
from gnn_l2o._utils.errors import InputError
from gnn_l2o.nn.edge_preconditioner import EdgePreconditioner
from gnn_l2o.nn.features import known_at_nodes, known_features, signed_log
from gnn_l2o.nn.lstm import CoordinateLSTM, Memory, logit
from gnn_l2o.nn.node_preconditioner import MAX_MOMENTUM, momentum_logit, proposed_momentum
from gnn_l2o.nn.rule import Coefficients, Exchange, GraphFacts, MiLoDoState
from gnn_l2o.nn.whitening import Whitening

SHORTEST, LONGEST = 1e-3, 10.0
"""The root mean square of a step, relative to that of the first parameters, lies between these."""
_SEEN = 8  # features of a block besides what its node knows


@dataclass(frozen=True)
class MatrixMemory:
    """What is kept between two steps; K blocks.

    Attributes:
        unit: root mean square of a node's first parameters, ``(N, 1)``.
        first: of its first gradient in every block, ``(N, K)``.
        whitening: of the first gradient and all directions since.
        node, edge: of the LSTMs.
        wanted: the momentum wanted, ``(N, K)``.
        step: p_i of whole blocks, ``(N, K)``.
        gains: with p_ij1 and p_ij2 of whole blocks, ``(R, K)``.
    """

    unit: Tensor
    first: Tensor
    whitening: Whitening
    node: Memory
    edge: tuple[Memory, ...]
    wanted: Tensor | None = None
    step: Tensor | None = None
    gains: Coefficients | None = None


class MatrixPreconditioner(nn.Module):
    r"""Shared recurrent networks that emit gains for preconditioners :math:`P_i = \mathrm{Diag}(p_i) M_i`.

    M_i is a :class:`.Whitening` of the directions :math:`\nabla f_i + y_i` that node i has met. The networks emit one
    number of each kind a block, a block being one of the arrays that x is made of. A node emits the root mean square of
    its step relative to that of its first parameters, :math:`10^{4 \, \mathrm{sigmoid}(o) - 3}`, and the momentum that
    it wants; an edge its gains as in :class:`EdgePreconditioner`, from the root mean squares of the differences, and in
    units of the greatest eigenvalues of P_i in each block, which neighbours tell each other beside z.
    A :class:`~gnn_l2o.nn.rule.CoefficientSource`.

    Args:
        hidden_features: width of the LSTMs.
    """

    spectral_gap = True
    momentum_bound = MAX_MOMENTUM

    def __init__(self, hidden_features: int = 16) -> None:
        super().__init__()
        self.node = CoordinateLSTM(_SEEN + known_features(spectral_gap=True), hidden_features, 2, skip_connection=True)
        self.edge = EdgePreconditioner(hidden_features)

    def emit(self, step: float, dual: float, primal: float, momentum: float) -> None:
        """Make the networks emit constants whatever they see.

        Args:
            step: root mean square of a step relative to that of the first parameters, between 0.001 and 10.
            dual, primal, momentum: see :meth:`.Preconditioner.emit`.

        Raises:
            InputError: they are not within their bounds.
        """
        if not SHORTEST < step < LONGEST:
            raise InputError(f"a step lies between {SHORTEST:g} and {LONGEST:g} of the first parameters, got {step:g}")
        share = math.log(step / SHORTEST) / math.log(LONGEST / SHORTEST)
        self.node.silence([logit("step", share), momentum_logit(momentum)])
        self.edge.emit(dual, primal)

    @property
    def trials(self) -> list[dict[str, float]]:
        """Constants that suit some network, as :meth:`emit` takes them."""
        return [
            {"step": step, "dual": dual, "momentum": momentum, "primal": 0.95}
            for step, dual, momentum in itertools.product((0.1, 0.2, 0.3), (0.25, 0.4, 0.55), (0.8, 0.9))
        ]

    def constants(self) -> tuple[Tensor, Tensor]:
        """Return the outputs that :meth:`emit` has set, at nodes and at edges."""
        node, edge = (lstm.outer.bias.detach().clone() for lstm in (self.node, *self.edge.networks))
        return node, edge

    def emit_linear(self, node: Tensor, edge: Tensor) -> None:
        """Make the networks emit what is linear in what is known; see :meth:`.Preconditioner.emit_linear`."""
        for lstm, coefficients in zip((self.node, *self.edge.networks), (node, edge), strict=True):
            lstm.make_linear(coefficients)

    def init_memory(self, x: Tensor, gradient: Tensor, context: GraphFacts) -> MatrixMemory:
        blocks = Blocks(context.shapes or ((x.size(1),),))
        unit = x.square().mean(dim=1, keepdim=True).sqrt()
        first = blocks.root_mean_squares(gradient)
        rows = context.weight.expand(-1, len(blocks.shapes))
        return MatrixMemory(
            unit=torch.where(unit > 0, unit, torch.ones_like(unit)),
            first=first.clamp(min=torch.finfo(first.dtype).tiny),
            whitening=Whitening(blocks).seen(gradient),
            node=self.node.initial_memory(first),
            edge=self.edge.initial_memory(rows),
        )

    def node_preconditioner(self, state: MiLoDoState, gradient: Tensor) -> tuple[Tensor, MatrixMemory]:
        memory: MatrixMemory = state.memory
        direction = gradient + state.y
        whitening = memory.whitening.seen(direction)
        output, recurrent = self.node(self._features(state, gradient, direction), memory.node)
        size = memory.unit * SHORTEST * (LONGEST / SHORTEST) ** torch.sigmoid(output[0])
        assert whitening.greatest is not None  # it has just seen a direction
        step = size * whitening.greatest
        wanted = proposed_momentum(output[1])
        memory = replace(memory, whitening=whitening, node=recurrent, wanted=wanted, step=step)
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
            *(known.expand_as(like) for known in known_at_nodes(state.context, spectral_gap=True)),
        ]
        return torch.stack(features)

    def precondition(self, memory: MatrixMemory, direction: Tensor) -> Tensor:
        """Return :math:`M_i v`, see :func:`~gnn_l2o.nn.rule.milodo_step`."""
        return memory.whitening.apply(direction)

    def frozen_preconditioner(self, state: MiLoDoState, held: Tensor, gradient: Tensor) -> Tensor:
        return held

    def edge_weights(
        self, state: MiLoDoState, step: Tensor, z: Tensor, difference: Tensor, memory: Any, exchange: Exchange
    ) -> tuple[Tensor, Tensor, MatrixMemory]:
        blocks = memory.whitening.blocks
        seen = replace(state, difference=blocks.root_mean_squares(state.difference))
        dual, primal, edge = self.edge(
            seen,
            memory.step,
            blocks.root_mean_squares(z),
            blocks.root_mean_squares(difference),
            memory.unit,
            memory.edge,
            exchange,
        )
        memory = replace(memory, edge=edge, gains=Coefficients(memory.step, dual, primal))
        return blocks.spread(dual), blocks.spread(primal), memory

    def momentum(self, context: GraphFacts, gains: Coefficients, memory: Any) -> Tensor:
        momentum = torch.minimum(memory.wanted, context.max_momentum(memory.gains))
        return memory.whitening.blocks.spread(momentum)
