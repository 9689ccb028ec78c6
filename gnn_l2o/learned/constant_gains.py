"""Gains that nobody learned."""

from dataclasses import dataclass

from torch import Tensor

from gnn_l2o.nn.rule import Exchange, GraphContext, MiLoDoState


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

    def edge_gains(
        self, state: MiLoDoState, z: Tensor, difference: Tensor, memory: None, exchange: Exchange
    ) -> tuple[Tensor, Tensor, None]:
        weight = state.context.weight
        return weight / (2 * self.step_size), weight / 2, None
