"""L2O-DM, learning to learn by gradient descent by gradient descent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gnn_l2o.learned.local_update import LocalUpdateArchitecture
from gnn_l2o.local_updates import LocalUpdate
from gnn_l2o.nn.stacked_lstm import StackedLSTM, States

EXPONENT = 5.0  # k; the code of the authors has 5, their appendix 10
STEP = 0.01  # of the output, with preprocessed gradients (authors' code)


@dataclass(frozen=True, eq=False)
class L2ODMMemory:
    """Memory of :class:`L2ODM`."""

    states: States  # each (N, d, hidden_features)


@dataclass(frozen=True, eq=False)
class L2ODM(LocalUpdate[L2ODMMemory]):
    r"""L2O-DM (Andrychowicz et al. 2016, NeurIPS, arXiv:1606.04474): an LSTM sees a coordinate's gradients.

    .. math::
        \Delta = \eta\, \mathrm{LSTM}(\phi(g)), \qquad
        \phi(g) = \begin{cases}
            (\ln |g| / k,\ \mathrm{sign}\, g) & |g| \ge e^{-k} \\
            (-1,\ e^k g)                      & \text{else}
        \end{cases}

    with two layers, the memory being their states, k = 5 and :math:`\eta = 0.01`. Without preprocessing, as Open-L2O
    has it on quadratics and LASSO, :math:`\phi(g) = g` and :math:`\eta = 1`.

    The output has a bias, so that :math:`\Delta` is not 0 where the gradients are: no solution is a fixed point, over
    no network. ``zero_preserving`` changes that: without the bias, the output is multiplied by the last of the inputs.
    This variant is ours.

    Attributes:
        network: the LSTM, with two inputs or, raw, one.
        raw: whether gradients are not preprocessed.
        zero_preserving: see above.
        second_derivatives: whether :math:`\Delta` is differentiated in g; the paper drops this part of the derivative.
    """

    network: StackedLSTM
    raw: bool = False
    zero_preserving: bool = False
    second_derivatives: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "preserves_zero", self.zero_preserving)

    def init(self, x0: Tensor, shapes: tuple[tuple[int, ...], ...]) -> L2ODMMemory:
        return L2ODMMemory(self.network.initial_states(x0))

    def delta(self, gradient: Tensor, x: Tensor, memory: L2ODMMemory) -> tuple[Tensor, L2ODMMemory]:
        gradient = gradient if self.second_derivatives else gradient.detach()
        inputs = gradient.unsqueeze(-1) if self.raw else preprocessed(gradient)
        output, states = self.network(inputs, memory.states)
        if self.zero_preserving:
            output = output * inputs[..., -1]
        return output if self.raw else STEP * output, L2ODMMemory(states)


def preprocessed(gradient: Tensor, exponent: float = EXPONENT) -> Tensor:
    r"""Return :math:`\phi(g)` of :class:`L2ODM` for every entry (Andrychowicz et al. 2016, appendix A).

    Args:
        gradient: ``(...)``.
        exponent: k.

    Returns:
        ``(..., 2)``.

    Example:
        >>> preprocessed(torch.tensor([1.0, 0.0])).tolist()
        [[0.0, 1.0], [-1.0, 0.0]]
    """
    magnitude = gradient.abs().clamp(min=math.exp(-exponent)).log() / exponent
    sign = (math.exp(exponent) * gradient).clamp(-1, 1)
    return torch.stack([magnitude, sign], dim=-1)


@dataclass(frozen=True)
class L2ODMArchitecture(LocalUpdateArchitecture[StackedLSTM]):
    """L2O-DM.

    Training may start ``"still"``, where nothing moves, or ``"random"``, from drawn weights.

    Attributes:
        inputs: what the network sees of a gradient, its "logarithm" and sign, or the "raw" gradient.
        hidden_features: width of the LSTM.
        wrapper: how nodes exchange what they compute, "tracked" or "diffused".
        zero_preserving: whether the output has no bias and multiplies the gradient as the network sees it, so that
            solutions are fixed points of the tracked form; a variant of ours.
        second_derivatives: whether training differentiates the gradients that the network sees; the papers do not.
    """

    name = "l2o_dm"
    description = "L2O-DM (Andrychowicz et al. 2016), an LSTM that every node applies to its gradient by coordinates"
    scope = "It runs on graphs of any size and topology and on problems of any dimension, without any guarantee."

    inputs: Literal["logarithm", "raw"] = "logarithm"
    hidden_features: int = 20

    def build(self) -> StackedLSTM:
        return StackedLSTM(
            1 if self.inputs == "raw" else 2, self.hidden_features, 2, output_bias=not self.zero_preserving
        )

    def make_still(self, weights: StackedLSTM) -> None:
        weights.make_still()

    def make_update(self, weights: StackedLSTM) -> L2ODM:
        return L2ODM(weights, self.inputs == "raw", self.zero_preserving, self.second_derivatives)
