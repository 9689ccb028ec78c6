"""The network that emits p_i."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from gnn_l2o._utils.errors import InputError
from gnn_l2o.nn.features import in_units, known_at_nodes, known_features, secant_curvature, signed_log, stack
from gnn_l2o.nn.lstm import CoordinateLSTM, Memory, logit
from gnn_l2o.nn.rule import Coefficients, GraphFacts, MiLoDoState

Parametrization = Literal["scale_free", "paper"]

MARGIN = 0.8  # share of the longest step: from 0.85 on, constant gains diverged on some graphs of most families
MARGIN_WITH_MOMENTUM = (0.9, 1.2)
"""The same with momentum, next to very different nodes and among equals: stars bear 1.0, complete graphs 1.5."""
CURVATURE_MARGIN = 0.95  # share of the step that the curvature met allows, with momentum
MARGINS_WITH_CYCLE = (0.75, 0.6)
"""Shares of both with steps of different lengths in turn: most families bear 0.8, and an estimate of the curvature that
is too low harms cycles most."""

MAX_MOMENTUM = 0.97
"""The largest momentum of the accelerated rule: steps and averaging are kept short enough for it."""

_SEEN = 6  # features that change during a run
NodeMemory = tuple[Memory, Tensor, Tensor]


class NodePreconditioner(nn.Module):
    r"""Emits the diagonal preconditioner :math:`p_i` of every node: :math:`\phi_M` of He et al. 2024, Eq. (25).

    With ``parametrization="scale_free"`` p_i is a share, sigmoid(o), of the longest step that is stable
    (:func:`bounded_step`), positive and bounded as Theorem 2 demands. A second output says how far steps are a node's
    own or common to its graph. They come from the signed logarithms of the gradient, the dual, the iterate, the last
    disagreement with the neighbours and the last move, from the curvature met on the way, which cuts the step where
    the neighbours' losses are alike and averaging does not help, and from what does not change during a run
    (:func:`.known_at_nodes`). If ``accelerated``, a third output is the momentum that the node wants,
    :math:`1 - 0.03^{\mathrm{sigmoid}(o'')}`, logarithmic in its distance from 1.
    With ``parametrization="paper"``, :math:`p_i = \mathrm{ReLU}(o)` from the bare gradient and dual.

    Args:
        hidden_features: width of the LSTM.
        parametrization: which of the two.
        spectral_gap: whether the scale-free network sees the spectrum and the size of its graph.
        accelerated: whether it emits a momentum; only in the scale-free parametrization.
        log_features: whether the scale-free network sees logarithms; otherwise the values in the node's unit.
        skip_connection: whether its features also go past the LSTM, see :class:`CoordinateLSTM`.

    Shape:
        - **gradient**: ``(N, d)``
        - **unit**: ``(N, 1)``, see :func:`~gnn_l2o.nn.features.first_step_size`
        - **memory**: the LSTM's, :math:`\hat\lambda`, ``(N, 1)``, and the momentum wanted, ``(N, d)``, or ``(N, 1)`` of
          zeros
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
            self.lstm = CoordinateLSTM(
                _SEEN + known_features(spectral_gap), hidden_features, 2 + accelerated, skip_connection=skip_connection
            )

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        self.lstm.reset_parameters()

    def emit(self, step: float, momentum: float = 0.95, own: float = 0.5) -> None:
        r"""Make the network emit p_i = ``step`` (paper) or ``step`` c_i (scale-free), whatever it sees.

        With momentum that is so among nodes that are alike, and next to others less, as M is (:func:`bounded_step`).

        :math:`\theta_i` is ``own``; if accelerated, the momentum wanted is ``momentum``.
        """
        if self.parametrization == "paper":
            self.lstm.silence([step])
        else:
            output = logit("step", step, margin(self.accelerated))
            self.lstm.silence([output, logit("own", own), *[momentum_logit(momentum)] * self.accelerated])

    def initial_memory(self, like: Tensor) -> NodeMemory:
        """Return the memory before the first step, for iterates as ``like``, ``(N, d)``."""
        none = like.new_zeros(like.size(0), 1)
        return self.lstm.initial_memory(like), none, none

    def forward(
        self, state: MiLoDoState, gradient: Tensor, unit: Tensor, memory: NodeMemory
    ) -> tuple[Tensor, NodeMemory]:
        recurrent, peak, wanted = memory
        if self.parametrization == "paper":
            output, recurrent = self.lstm(torch.stack([gradient, state.y]), recurrent)
            return output[0].relu(), (recurrent, peak, wanted)
        context = state.context
        force = context.smoothness * unit  # a gradient that moves a node by one unit
        curvature = secant_curvature(state, gradient)
        peak = torch.maximum(peak, curvature)
        features = stack(
            self.scaled(gradient + state.y, force),
            self.scaled(state.y, force),
            self.scaled(state.x, unit),
            self.scaled(state.z - state.x, unit),
            self.scaled(state.extrapolated - state.previous, unit),
            0.5 * (context.max_step_size * curvature).clamp(1e-2, 1e2).log10(),
            *known_at_nodes(context, self.spectral_gap),
        )
        output, recurrent = self.lstm(features, recurrent)
        if self.accelerated:
            wanted = proposed_momentum(output[2])
        step = bounded_step(output[0], output[1], context, peak, state.gains)
        return step, (recurrent, peak, wanted)

    def frozen_preconditioner(self, state: MiLoDoState, held: Tensor, gradient: Tensor) -> Tensor:
        """Return a held p_i, shortened where the curvature just met asks for it; the paper's stays as it is."""
        if self.parametrization == "paper":
            return held
        return torch.minimum(held, step_with(secant_curvature(state, gradient), state.context))


def margin(accelerated: bool) -> float:
    """Return the greatest multiple of the longest step that is emitted."""
    return MARGIN_WITH_MOMENTUM[1] if accelerated else MARGIN


def bounded_step(
    output: Tensor, own: Tensor, context: GraphFacts, peak: Tensor, last: Coefficients | None = None
) -> Tensor:
    r"""Return the scale-free :math:`p_i`, between the node's own longest step and one common to its graph.

    .. math::
        p_i = \min\Bigl(b_i^{\theta_i} \bigl(\min_j b_j\bigr)^{1 - \theta_i}, \frac{M' k}{\hat\lambda_i}\Bigr)
        \, \mathrm{sigmoid}(o), \qquad b_i = M_i c_i, \quad \theta_i = \mathrm{sigmoid}(o')

    Without momentum :math:`M_i = M' = 0.8`, with cycles of steps 0.75 and 0.6. With it :math:`M' = 0.95` and
    :math:`M_i = 0.9 + 0.3 r_i^2`, r being :attr:`.GraphFacts.regularity`. Where the losses of the nodes are alike,
    their average moves best along the average gradient, which takes equal steps: unequal ones weight the gradients
    wrongly until the duals have put it right. Where they are not, each node had better take the longest it can bear.

    Args:
        output: o, ``(N, d)`` or ``(N, 1)``.
        own: o', so too.
        context: knows c_i, r_i and k.
        peak: :math:`\hat\lambda_i`, the greatest curvature met so far, ``(N, 1)``.
        last: the gains of the last step. Without momentum c_i is that of their averaging; with it c_i depends less on
            the averaging, and is that of the largest.
    """
    if context.momentum_bound:
        low, high = MARGIN_WITH_MOMENTUM
        bound = (low + (high - low) * context.regularity.square()) * context.max_step_size
    else:
        share = MARGIN if context.max_step_factor == 1 else MARGINS_WITH_CYCLE[0]
        bound = share * (context.max_step_size if last is None else context.max_step_size_with(last.primal))
    common = context.min_over_graph(bound)
    bound = common * (bound / common) ** torch.sigmoid(own)
    return torch.minimum(bound, step_with(peak, context)) * torch.sigmoid(output)


def step_with(curvature: Tensor, context: GraphFacts) -> Tensor:
    r"""Return :math:`M' k / \hat\lambda_i`, the longest step of a node that has met a curvature, ``(N, 1)``."""
    if context.momentum_bound:
        share = CURVATURE_MARGIN
    else:
        share = MARGIN if context.max_step_factor == 1 else MARGINS_WITH_CYCLE[1]
    return share * context.curvature_limit / curvature.clamp(min=torch.finfo(curvature.dtype).tiny)


def proposed_momentum(output: Tensor) -> Tensor:
    r"""Return :math:`1 - 0.03^{\mathrm{sigmoid}(o)}`, between 0 and 0.97, logarithmic in its distance from 1."""
    return 1 - (1 - MAX_MOMENTUM) ** torch.sigmoid(output)


def momentum_logit(momentum: float) -> float:
    """Return o with ``proposed_momentum(o) = momentum``.

    Raises:
        InputError: ``momentum`` is not between 0 and 0.97.
    """
    if not 0 < momentum < MAX_MOMENTUM:
        raise InputError(f"momentum lies between 0 and {MAX_MOMENTUM:g}, got {momentum:g}")
    return logit("momentum", math.log(1 - momentum) / math.log(1 - MAX_MOMENTUM))
