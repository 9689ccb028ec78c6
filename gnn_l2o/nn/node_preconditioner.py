"""The network that emits p_i."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.exchange import Exchange
from gnn_l2o.nn.facts import GraphFacts
from gnn_l2o.nn.features import in_units, known_at_nodes, known_features, secant_curvature, signed_log, stack
from gnn_l2o.nn.lstm import CoordinateLSTM, Memory, logit
from gnn_l2o.nn.stability import StabilityBounds
from gnn_l2o.nn.state import MiLoDoState
from gnn_l2o.nn.step_size import (
    StepSizeLimits,
    bounded_step_size,
    limits_with_momentum,
    limits_without_momentum,
    max_share,
    momentum_logit,
    proposed_momentum,
    step_size_for,
)

Parametrization = Literal["scale_free", "paper"]

_SEEN = 6  # features that change during a run


@dataclass(frozen=True)
class NodeMemory:
    """What a :class:`NodePreconditioner` keeps between two recomputations.

    Attributes:
        lstm: h and c.
        max_curvature: the largest secant curvature so far, ``(N, 1)``.
        momentum: the momentum proposed last, ``(N, d)``; zeros ``(N, 1)`` without momentum.
        limits: of the step size, with momentum; without, they follow the mixing weights.
    """

    lstm: Memory
    max_curvature: Tensor
    momentum: Tensor
    limits: StepSizeLimits | None


class NodePreconditioner(nn.Module):
    r"""Emits the diagonal preconditioner :math:`p_i` of every node: :math:`\phi_M` of He et al. 2024, Eq. (25).

    With ``parametrization="scale_free"`` p_i is a share, sigmoid(o), of the maximal stable step size
    (:func:`.bounded_step_size`), positive and bounded as Theorem 2 demands. A second output says to what extent step
    sizes are a node's own or common to its graph. The inputs are the signed logarithms of the gradient, the dual
    variable, the iterate, the last disagreement with the neighbours and the last move; the secant curvature, which
    limits the step size where the neighbours' losses are alike and averaging does not help; and the constant features
    (:func:`.known_at_nodes`). If ``accelerated``, a third output proposes a momentum,
    :math:`1 - 0.03^{\mathrm{sigmoid}(o'')}`, logarithmic in its distance from 1.
    With ``parametrization="paper"``, :math:`p_i = \mathrm{ReLU}(o)` from the bare gradient and dual variable.

    Args:
        hidden_features: width of the LSTM.
        parametrization: which of the two.
        spectral_gap: whether the scale-free network's inputs include spectrum and size of the graph.
        accelerated: whether it emits a momentum; only in the scale-free parametrization.
        log_features: whether the scale-free network's inputs are logarithms; otherwise values in the node's unit.
        skip_connection: whether its features also go past the LSTM, see :class:`CoordinateLSTM`.

    Shape:
        - **gradient**: ``(N, d)``
        - **unit**: ``(N, 1)``, see :func:`~gnn_l2o.nn.features.first_step_size`
        - **output**: ``(N, d)``, and the new memory
    """

    def __init__(
        self,
        hidden_features: int = 20,
        *,
        parametrization: Parametrization = "scale_free",
        spectral_gap: bool = True,
        accelerated: bool = False,
        log_features: bool = True,
        skip_connection: bool = True,
    ) -> None:
        super().__init__()
        if accelerated and parametrization == "paper":
            raise InputError("the paper's parametrization has no momentum; expected 'scale_free' with accelerated")
        self.parametrization, self.spectral_gap, self.accelerated = parametrization, spectral_gap, accelerated
        self.scaled = signed_log if log_features else in_units
        if parametrization == "paper":
            self.lstm = CoordinateLSTM(2, hidden_features, 1)
        else:
            features = _SEEN + known_features(spectral_gap)
            self.lstm = CoordinateLSTM(features, hidden_features, 2 + accelerated, skip_connection=skip_connection)

    @property
    def takes_minima(self) -> bool:
        """Whether every recomputation takes a minimum over the graph."""
        return self.parametrization == "scale_free" and not self.accelerated

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        self.lstm.reset_parameters()

    def emit(self, step: float, momentum: float = 0.95, own: float = 0.5) -> None:
        r"""Make the network emit p_i = ``step`` (paper) or ``step`` c_i (scale-free), whatever its inputs.

        With momentum that holds where all nodes have equal effective self-weights; elsewhere the share is smaller
        (:func:`.limits_with_momentum`). :math:`\theta_i` is ``own``; if accelerated, the proposed momentum is
        ``momentum``.
        """
        if self.parametrization == "paper":
            self.lstm.emit([step])
        else:
            output = logit("step", step, max_share(self.accelerated))
            self.lstm.emit([output, logit("own", own), *[momentum_logit(momentum)] * self.accelerated])

    def init_memory(self, x: Tensor, facts: GraphFacts, bounds: StabilityBounds, exchange: Exchange) -> NodeMemory:
        """Return the memory before the first step, at ``x``, ``(N, d)``."""
        zero = x.new_zeros(x.size(0), 1)
        limits = limits_with_momentum(facts, bounds, exchange) if self.accelerated else None
        return NodeMemory(self.lstm.initial_memory(x), zero, zero, limits)

    def forward(
        self, state: MiLoDoState, gradient: Tensor, unit: Tensor, memory: NodeMemory, exchange: Exchange
    ) -> tuple[Tensor, NodeMemory]:
        if self.parametrization == "paper":
            output, lstm = self.lstm(torch.stack([gradient, state.y]), memory.lstm)
            return output[0].relu(), replace(memory, lstm=lstm)
        curvature = secant_curvature(state, gradient)
        output, lstm = self.lstm(self._features(state, gradient, unit, curvature), memory.lstm)
        momentum = proposed_momentum(output[2]) if self.accelerated else memory.momentum
        max_curvature = torch.maximum(memory.max_curvature, curvature)
        limits = memory.limits or limits_without_momentum(state.bounds, state.coefficients, exchange)
        step_size = bounded_step_size(output[0], output[1], limits, max_curvature, state.bounds)
        return step_size, replace(memory, lstm=lstm, max_curvature=max_curvature, momentum=momentum)

    def _features(self, state: MiLoDoState, gradient: Tensor, unit: Tensor, curvature: Tensor) -> Tensor:
        facts = state.facts
        force = facts.smoothness * unit  # a gradient that moves a node by one unit
        return stack(
            self.scaled(gradient + state.y, force),
            self.scaled(state.y, force),
            self.scaled(state.x, unit),
            self.scaled(state.z - state.x, unit),
            self.scaled(state.extrapolated - state.previous, unit),
            0.5 * (state.bounds.max_step_size * curvature).clamp(1e-2, 1e2).log10(),
            *known_at_nodes(facts, self.spectral_gap),
        )

    def frozen_preconditioner(self, state: MiLoDoState, frozen: Tensor, gradient: Tensor) -> Tensor:
        """Return a frozen p_i, or less where the secant curvature demands it; the paper's is returned as it is."""
        if self.parametrization == "paper":
            return frozen
        return torch.minimum(frozen, step_size_for(secant_curvature(state, gradient), state.bounds))
