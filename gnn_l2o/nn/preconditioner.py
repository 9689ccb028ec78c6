"""Node and edge preconditioner together: the learned source of MiLoDo's gains."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor, nn

from gnn_l2o._utils.errors import InputError
from gnn_l2o.nn.edge_preconditioner import EdgePreconditioner, EdgeWeights, Symmetrize
from gnn_l2o.nn.features import first_step_size
from gnn_l2o.nn.lstm import Memory
from gnn_l2o.nn.node_preconditioner import MAX_MOMENTUM, NodeMemory, NodePreconditioner, Parametrization
from gnn_l2o.nn.rule import Coefficients, Exchange, GraphFacts, MiLoDoState

_OWN, _DUALS = (0.12, 0.88), (0.2, 0.5, 0.75, 0.92)
_STEPS, _MOMENTA = (0.3, 0.8), (0.5, 0.8, 0.95)
_STEPS_WITHOUT_MOMENTUM = (0.3, 0.7)
_Memory = tuple[Tensor, NodeMemory, tuple[Memory, ...]]  # the nodes' unit, and what the networks remember


def scale_free_trials(accelerated: bool) -> list[dict[str, float]]:
    """Return constants that suit some graph and problem, as :meth:`Preconditioner.emit` takes them."""
    steps, momenta = (_STEPS, _MOMENTA) if accelerated else (_STEPS_WITHOUT_MOMENTUM, _MOMENTA[:1])
    return [
        {"step": step, "own": own, "dual": dual, "momentum": momentum, "primal": 0.9}
        for step, own, dual, momentum in itertools.product(steps, _OWN, _DUALS, momenta)
    ]


class Preconditioner(nn.Module):
    """Shared recurrent networks that emit p_i, p_ij1 and p_ij2 (a :class:`~gnn_l2o.nn.rule.CoefficientSource`).

    Args:
        hidden_features: width of the LSTMs; the paper's is 20.
        parametrization: ``"scale_free"`` or ``"paper"``, see :class:`NodePreconditioner` and
            :class:`EdgePreconditioner`.
        symmetrize: ``"even"`` or ``"mean"``, see :class:`EdgePreconditioner`.
        spectral_gap: whether the scale-free networks see the spectrum and the size of their graph.
        accelerated: whether they emit a momentum a_i too, only in the scale-free parametrization. A node gets the
            momentum it wants as far as its other gains leave room (:meth:`.GraphFacts.max_momentum`).
        log_features: whether the scale-free networks see logarithms of what changes.
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
    def directed(self) -> bool:
        """Whether the rows of edges are directed edges or links."""
        return self.edge.symmetrize == "mean"

    @property
    def accelerated(self) -> bool:
        """Whether they emit a momentum."""
        return self.node.accelerated

    @property
    def spectral_gap(self) -> bool:
        """Whether they see the spectrum and the size of their graph."""
        return self.node.spectral_gap

    @property
    def momentum_bound(self) -> float:
        """The largest momentum it emits."""
        return MAX_MOMENTUM if self.node.accelerated else 0.0

    def reset_parameters(self) -> None:
        """Draw all weights anew: the paper's random initialization (E.1)."""
        self.node.reset_parameters()
        self.edge.reset_parameters()

    def emit(self, step: float, dual: float, primal: float, momentum: float = 0.95, own: float = 0.5) -> None:
        r"""Make the networks emit constants whatever they see, from which training then departs.

        They are :math:`p_i = s c_i` among nodes that are alike (:func:`.bounded_step`), and the shares t and u of
        :func:`.bounded_edge_weights`; in the paper's parametrization s, :math:`t w_{ij}` and :math:`u w_{ij}`.

        Args:
            step: s, in the scale-free parametrization between 0 and 0.8, or 1.2 if accelerated.
            dual: t, there between 0 and 1.
            primal: u, there between 0 and 1.
            momentum: the a that nodes want if accelerated, between 0 and 0.97.
            own: :math:`\theta` in the scale-free parametrization, between 0 and 1.

        Raises:
            InputError: they do not.
        """
        self.node.emit(step, momentum, own)
        self.edge.emit(dual, primal)

    @property
    def trials(self) -> list[dict[str, float]]:
        """See :func:`scale_free_trials`."""
        return scale_free_trials(self.accelerated)

    def constants(self) -> tuple[Tensor, Tensor]:
        """Return the outputs that :meth:`emit` has set in the scale-free parametrization, at nodes and at edges."""
        node, edge = (lstm.outer.bias.detach().clone() for lstm in (self.node.lstm, *self.edge.networks))
        return node, edge

    def emit_linear(self, node: Tensor, edge: Tensor) -> None:
        """Make the networks emit what is linear in what is known; scale-free and with ``direct`` only.

        Args:
            node: coefficients of 1 and of :func:`.known_at_nodes`, ``(1 + features, outputs)``.
            edge: of 1 and of :func:`.known_at_edges`, so too.
        """
        for lstm, coefficients in zip((self.node.lstm, *self.edge.networks), (node, edge), strict=True):
            lstm.make_linear(coefficients)

    def start_as_exact_diffusion(self, step_size: float) -> None:
        r"""Make the rule start as exact diffusion with step :math:`\gamma`, the paper's special initialization (E.1).

        Args:
            step_size: :math:`\gamma`.

        Raises:
            InputError: the parametrization is not the paper's; the scale-free gains are no one step size's.
        """
        if self.node.parametrization != "paper":
            raise InputError("exact diffusion is a start for parametrization 'paper', got 'scale_free'")
        self.emit(step_size, 1 / (2 * step_size), 0.5)

    def init_memory(self, x: Tensor, gradient: Tensor, context: GraphFacts) -> _Memory:
        # LSTM states start at zero: the paper draws them, which makes runs irreproducible.
        unit = first_step_size(gradient, context.smoothness)
        edges = context.weight.expand(-1, x.size(1))
        return unit, self.node.initial_memory(x), self.edge.initial_memory(edges)

    def node_preconditioner(self, state: MiLoDoState, gradient: Tensor) -> tuple[Tensor, _Memory]:
        unit, node, edge = state.memory
        step, node = self.node(state, gradient, unit, node)
        return step, (unit, node, edge)

    def frozen_preconditioner(self, state: MiLoDoState, held: Tensor, gradient: Tensor) -> Tensor:
        return self.node.frozen_preconditioner(state, held, gradient)

    def edge_weights(
        self, state: MiLoDoState, step: Tensor, z: Tensor, difference: Tensor, memory: Any, exchange: Exchange
    ) -> tuple[Tensor, Tensor, _Memory]:
        unit, node, edge = memory
        dual, primal, edge = self.edge(state, step, z, difference, unit, edge, exchange)
        return dual, primal, (unit, node, edge)

    def momentum(self, context: GraphFacts, gains: Coefficients, memory: Any) -> Tensor | None:
        if not self.node.accelerated:
            return None
        _, (_, _, wanted), _ = memory
        return torch.minimum(wanted, context.max_momentum(gains))
