"""Gains that nobody learned."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gnn_l2o.nn.rule import Exchange, Gains, GraphContext, MiLoDoState


@dataclass(frozen=True)
class ExactDiffusionGains:
    r"""The constants with which MiLoDo's rule is exact diffusion where r = 0 (He et al. 2024, remark under Eq. (24)).

    :math:`p_i = \gamma`, :math:`p_{ij1} = w_{ij} / (2 \gamma)`, :math:`p_{ij2} = w_{ij} / 2`.

    Attributes:
        step_size: :math:`\gamma`.
    """

    step_size: float

    def start(self, x: Tensor, gradient: Tensor, context: GraphContext) -> None:
        return None

    def node_gains(self, state: MiLoDoState, gradient: Tensor) -> tuple[Tensor, None]:
        return state.x.new_full((state.x.size(0), 1), self.step_size), None

    def held_step(self, state: MiLoDoState, held: Tensor, gradient: Tensor) -> Tensor:
        return held

    def edge_gains(
        self, state: MiLoDoState, step: Tensor, z: Tensor, difference: Tensor, memory: None, exchange: Exchange
    ) -> tuple[Tensor, Tensor, None]:
        weight = state.context.weight
        return weight / (2 * self.step_size), weight / 2, None

    def momentum(self, context: GraphContext, gains: Gains, memory: None) -> None:
        return None


@dataclass(frozen=True)
class ConstantGains:
    r"""A few constants in the units of every node and edge, as the scale-free networks emit them.

    :math:`p_i = s c_i`, :math:`p_{ij1} = t P_{ij}`, :math:`p_{ij2} = u q w_{ij}` and :math:`a_i = a`, or less where the
    other gains leave no more room, with c_i, P_ij, q and the room for a from :class:`~gnn_l2o.nn.rule.GraphContext`.

    Attributes:
        step_gain: s.
        dual_gain: t.
        primal_gain: u.
        momentum_gain: a, or ``None`` for the rule without momentum.

    Shape:
        Each is a number, or ``(N, 1)`` with the value of every node, equal over each graph.
    """

    step_gain: float | Tensor
    dual_gain: float | Tensor
    primal_gain: float | Tensor
    momentum_gain: float | Tensor | None = None

    def start(self, x: Tensor, gradient: Tensor, context: GraphContext) -> None:
        return None

    def node_gains(self, state: MiLoDoState, gradient: Tensor) -> tuple[Tensor, None]:
        return self.step_gain * state.context.longest_step, None

    def held_step(self, state: MiLoDoState, held: Tensor, gradient: Tensor) -> Tensor:
        return held

    def edge_gains(
        self, state: MiLoDoState, step: Tensor, z: Tensor, difference: Tensor, memory: None, exchange: Exchange
    ) -> tuple[Tensor, Tensor, None]:
        context = state.context
        dual, primal = (
            value.index_select(0, context.ends[0]) if isinstance(value, Tensor) else value
            for value in (self.dual_gain, self.primal_gain)
        )
        primal = primal * context.largest_primal * context.weight
        return dual * context.largest_dual(step, primal), primal, None

    def momentum(self, context: GraphContext, gains: Gains, memory: None) -> Tensor | None:
        if self.momentum_gain is None:
            return None
        wanted = torch.as_tensor(self.momentum_gain, dtype=gains.step.dtype, device=gains.step.device)
        return torch.minimum(wanted, context.largest_momentum(gains))
