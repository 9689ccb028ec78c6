"""RNNProp, an LSTM on the directions of Adam and RMSProp."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gnn_l2o.learned.local_update import LocalUpdateArchitecture
from gnn_l2o.local_updates import LocalUpdate
from gnn_l2o.nn.stacked_lstm import StackedLSTM, States

DECAY = 0.95  # beta1 = beta2
EPSILON = 1e-8
STEP = 0.1  # the largest move of a coordinate


class RNNPropNetwork(nn.Module):
    """A linear layer with ELU, and :class:`.StackedLSTM` with two layers behind it.

    Args:
        hidden_features: width of all layers.
        output_bias: whether the output has a bias.
    """

    def __init__(self, hidden_features: int = 20, *, output_bias: bool = True) -> None:
        super().__init__()
        self.input = nn.Linear(2, hidden_features)
        self.lstm = StackedLSTM(hidden_features, hidden_features, 2, output_bias=output_bias)

    def forward(self, features: Tensor, states: States) -> tuple[Tensor, States]:
        output: tuple[Tensor, States] = self.lstm(nn.functional.elu(self.input(features)), states)
        return output


@dataclass(frozen=True, eq=False)
class RNNPropMemory:
    """Memory of :class:`RNNProp`."""

    m: Tensor  # (N, d), the average of the gradients
    v: Tensor  # (N, d), the average of their squares
    iteration: int  # k
    states: States  # each (N, d, hidden_features)


@dataclass(frozen=True, eq=False)
class RNNProp(LocalUpdate[RNNPropMemory]):
    r"""RNNProp (Lv, Jiang, Li 2017, ICML, arXiv:1703.03633): an LSTM sees scale-free directions of a coordinate.

    .. math::
        m^{k+1} &= \beta m^k + (1 - \beta) g^k, \qquad v^{k+1} = \beta v^k + (1 - \beta) (g^k)^2 \\
        \hat m  &= m^{k+1} / (1 - \beta^{k+1}), \qquad \hat v = v^{k+1} / (1 - \beta^{k+1}) \\
        \Delta  &= -0.1 \tanh\, \mathrm{LSTM}\Bigl(\mathrm{ELU}\,\mathrm{Linear}\bigl(
            \hat m / (\sqrt{\hat v} + \varepsilon),\ g^k / (\sqrt{\hat v} + \varepsilon)\bigr)\Bigr)

    with :math:`\beta = 0.95` and :math:`\varepsilon = 10^{-8}`. So no coordinate moves by more than 0.1, and a multiple
    of f gives the same iterates, as long as gradients are far above epsilon.

    The output has a bias, so that :math:`\Delta` is not 0 where the gradients are: no solution is a fixed point, over
    no network. ``zero_preserving`` changes that: without the bias, the output is multiplied by the direction
    :math:`\hat m / (\sqrt{\hat v} + \varepsilon)` before the tanh. This variant is ours.

    Attributes:
        network: the layers.
        zero_preserving: see above.
        second_derivatives: whether :math:`\Delta` is differentiated in g; the paper drops this part of the derivative.
    """

    network: RNNPropNetwork
    zero_preserving: bool = False
    second_derivatives: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "preserves_zero", self.zero_preserving)

    def init(self, x0: Tensor, shapes: tuple[tuple[int, ...], ...]) -> RNNPropMemory:
        zero = torch.zeros_like(x0)
        return RNNPropMemory(zero, zero, 0, self.network.lstm.initial_states(x0))

    def delta(self, gradient: Tensor, x: Tensor, memory: RNNPropMemory) -> tuple[Tensor, RNNPropMemory]:
        gradient = gradient if self.second_derivatives else gradient.detach()
        count = memory.iteration + 1
        m, v, mean, square = _averages(gradient, memory.m, memory.v, count)
        size = square.sqrt() + EPSILON
        output, states = self.network(torch.stack([mean / size, gradient / size], dim=-1), memory.states)
        if self.zero_preserving:
            output = output * mean / size
        return -STEP * torch.tanh(output), RNNPropMemory(m, v, count, states)


def _averages(gradient: Tensor, m: Tensor, v: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the averages of gradients and of their squares after one more, and both corrected for their start."""
    m = torch.lerp(gradient, m, DECAY)
    v = torch.lerp(gradient.square(), v, DECAY)
    correction = 1 - DECAY**count
    return m, v, m / correction, v / correction


@dataclass(frozen=True)
class RNNPropArchitecture(LocalUpdateArchitecture[RNNPropNetwork]):
    """RNNProp.

    Training may start ``"still"``, where nothing moves, or ``"random"``, from drawn weights.

    Attributes:
        hidden_features: width of the LSTM.
        wrapper: how nodes exchange what they compute, "tracked" or "diffused".
        zero_preserving: whether the output has no bias and multiplies the gradient as the network sees it, so that
            solutions are fixed points of the tracked form; a variant of ours.
        second_derivatives: whether training differentiates the gradients that the network sees; the papers do not.
    """

    name = "rnnprop"
    description = (
        "RNNProp (Lv et al. 2017), an LSTM that every node applies by coordinates to directions of its gradient"
    )
    scope = "It runs on graphs of any size and topology and on problems of any dimension, without any guarantee."

    hidden_features: int = 20

    def build(self) -> RNNPropNetwork:
        return RNNPropNetwork(self.hidden_features, output_bias=not self.zero_preserving)

    def make_still(self, weights: RNNPropNetwork) -> None:
        weights.lstm.make_still()

    def make_update(self, weights: RNNPropNetwork) -> RNNProp:
        return RNNProp(weights, self.zero_preserving, self.second_derivatives)
