"""Coefficients that nobody learned."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gnn_l2o.graph.communication import Ends
from gnn_l2o.graph.exchange import Exchange
from gnn_l2o.nn.coefficient_source import CoefficientSource, Message, SourceCost
from gnn_l2o.nn.coefficients import Coefficients
from gnn_l2o.nn.stability import StabilityBounds, max_dual_step_size, max_momentum
from gnn_l2o.nn.state import MiLoDoState


@dataclass(frozen=True)
class ExactDiffusionCoefficients(CoefficientSource):
    r"""The constants with which MiLoDo's rule is exact diffusion where r = 0 (He et al. 2024, remark under Eq. (24)).

    :math:`p_i = \gamma`, :math:`p_{ij1} = w_{ij} / (2 \gamma)`, :math:`p_{ij2} = w_{ij} / 2`.

    Attributes:
        step_size: :math:`\gamma`.
    """

    step_size: float

    def preconditioner(self, state: MiLoDoState, gradient: Tensor, exchange: Exchange) -> tuple[Tensor, None]:
        return state.x.new_full((state.x.size(0), 1), self.step_size), None

    def edge_weights(
        self, state: MiLoDoState, z: Ends, message: tuple[Ends, ...], memory: None, exchange: Exchange
    ) -> tuple[Tensor, Tensor, None]:
        weight = state.facts.weight
        return weight / (2 * self.step_size), weight / 2, None


@dataclass(frozen=True)
class ConstantCoefficients(CoefficientSource):
    r"""A few constants in the units of every node and edge, as the scale-free networks emit them.

    :math:`p_i = s c_i`, :math:`p_{ij1} = t P_{ij}`, :math:`p_{ij2} = u q w_{ij}` and :math:`a_i = a`, or less where the
    other coefficients do not allow it (:func:`.max_momentum`), with :math:`c_i` from :func:`.max_step_size`,
    :math:`P_{ij}` from :func:`.max_dual_step_size` and q from :func:`.max_mixing_weight`.

    Attributes:
        step_factor: s.
        dual_factor: t.
        mixing_factor: u.
        proposed_momentum: a, or ``None`` for the rule without momentum.
        momentum_bound: A, the largest momentum that the bounds allow for.

    Shape:
        Each but the last is a number, or ``(N, 1)`` with the value of every node, equal over each graph.
    """

    step_factor: float | Tensor
    dual_factor: float | Tensor
    mixing_factor: float | Tensor
    proposed_momentum: float | Tensor | None = None
    momentum_bound: float = 0.0

    def recompute_cost(self, shapes: tuple[tuple[int, ...], ...]) -> SourceCost:
        return SourceCost(numbers=1)

    def preconditioner(self, state: MiLoDoState, gradient: Tensor, exchange: Exchange) -> tuple[Tensor, None]:
        return self.step_factor * state.bounds.max_step_size, None

    def message(self, preconditioner: Tensor, memory: None) -> Message:
        return Message(numbers=preconditioner)

    def edge_weights(
        self, state: MiLoDoState, z: Ends, message: tuple[Ends, ...], memory: None, exchange: Exchange
    ) -> tuple[Tensor, Tensor, None]:
        dual, mixing = (
            exchange.at_edges(value) if isinstance(value, Tensor) else value
            for value in (self.dual_factor, self.mixing_factor)
        )
        mixing = mixing * state.bounds.max_mixing_weight
        return dual * max_dual_step_size(state.bounds, message[0], mixing), mixing, None

    def momentum(
        self, bounds: StabilityBounds, coefficients: Coefficients, memory: None, exchange: Exchange
    ) -> Tensor | None:
        if self.proposed_momentum is None:
            return None
        like = coefficients.preconditioner
        proposed = torch.as_tensor(self.proposed_momentum, dtype=like.dtype, device=like.device)
        return torch.minimum(proposed, max_momentum(bounds, coefficients, exchange))
