"""Coefficients that nobody learned."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gnn_l2o.nn.rule import Coefficients, Exchange, GraphFacts, MiLoDoState


@dataclass(frozen=True)
class ExactDiffusionCoefficients:
    r"""The constants with which MiLoDo's rule is exact diffusion where r = 0 (He et al. 2024, remark under Eq. (24)).

    :math:`p_i = \gamma`, :math:`p_{ij1} = w_{ij} / (2 \gamma)`, :math:`p_{ij2} = w_{ij} / 2`.

    Attributes:
        step_size: :math:`\gamma`.
    """

    step_size: float

    def init_memory(self, x: Tensor, gradient: Tensor, context: GraphFacts) -> None:
        return None

    def node_preconditioner(self, state: MiLoDoState, gradient: Tensor) -> tuple[Tensor, None]:
        return state.x.new_full((state.x.size(0), 1), self.step_size), None

    def frozen_preconditioner(self, state: MiLoDoState, held: Tensor, gradient: Tensor) -> Tensor:
        return held

    def edge_weights(
        self, state: MiLoDoState, step: Tensor, z: Tensor, difference: Tensor, memory: None, exchange: Exchange
    ) -> tuple[Tensor, Tensor, None]:
        weight = state.context.weight
        return weight / (2 * self.step_size), weight / 2, None

    def momentum(self, context: GraphFacts, gains: Coefficients, memory: None) -> None:
        return None


@dataclass(frozen=True)
class ConstantCoefficients:
    r"""A few constants in the units of every node and edge, as the scale-free networks emit them.

    :math:`p_i = s c_i`, :math:`p_{ij1} = t P_{ij}`, :math:`p_{ij2} = u q w_{ij}` and :math:`a_i = a`, or less where the
    other gains leave no more room, with c_i, P_ij, q and the room for a from :class:`~gnn_l2o.nn.rule.GraphFacts`.

    Attributes:
        step_factor: s.
        dual_factor: t.
        mixing_factor: u.
        proposed_momentum: a, or ``None`` for the rule without momentum.

    Shape:
        Each is a number, or ``(N, 1)`` with the value of every node, equal over each graph.
    """

    step_factor: float | Tensor
    dual_factor: float | Tensor
    mixing_factor: float | Tensor
    proposed_momentum: float | Tensor | None = None

    def init_memory(self, x: Tensor, gradient: Tensor, context: GraphFacts) -> None:
        return None

    def node_preconditioner(self, state: MiLoDoState, gradient: Tensor) -> tuple[Tensor, None]:
        return self.step_factor * state.context.max_step_size, None

    def frozen_preconditioner(self, state: MiLoDoState, held: Tensor, gradient: Tensor) -> Tensor:
        return held

    def edge_weights(
        self, state: MiLoDoState, step: Tensor, z: Tensor, difference: Tensor, memory: None, exchange: Exchange
    ) -> tuple[Tensor, Tensor, None]:
        context = state.context
        dual, primal = (
            value.index_select(0, context.ends[0]) if isinstance(value, Tensor) else value
            for value in (self.dual_factor, self.mixing_factor)
        )
        primal = primal * context.max_mixing_weight * context.weight
        return dual * context.max_dual_step_size(step, primal), primal, None

    def momentum(self, context: GraphFacts, gains: Coefficients, memory: None) -> Tensor | None:
        if self.proposed_momentum is None:
            return None
        wanted = torch.as_tensor(self.proposed_momentum, dtype=gains.step.dtype, device=gains.step.device)
        return torch.minimum(wanted, context.max_momentum(gains))
