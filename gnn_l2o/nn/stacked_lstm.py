"""LSTM layers on top of each other, for all coordinates with the same weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

States = tuple[tuple[Tensor, Tensor], ...]  # h and c of every layer, each (..., hidden_features)


class LSTMLayer(nn.Module):
    r"""One LSTM layer with one bias a gate, where torch.nn.LSTMCell has two.

    Weights are drawn uniformly from :math:`\pm 1 / \sqrt H`; biases start at 0, that of the forget gate at 1
    (Jozefowicz et al. 2015, ICML).

    Args:
        in_features: numbers that describe a coordinate.
        hidden_features: H, width of the state.
    """

    def __init__(self, in_features: int, hidden_features: int) -> None:
        super().__init__()
        self.in_features, self.hidden_features = in_features, hidden_features
        self.weight = nn.Parameter(torch.empty(4 * hidden_features, in_features + hidden_features))
        self.bias = nn.Parameter(torch.empty(4 * hidden_features))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        bound = 1 / math.sqrt(self.hidden_features)
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.zeros_(self.bias)
        with torch.no_grad():
            self.bias[self.hidden_features : 2 * self.hidden_features].fill_(1.0)

    def forward(self, features: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        h, c = state
        gates = nn.functional.linear(torch.cat([features, h], dim=-1), self.weight, self.bias)
        enter, keep, fresh, show = gates.chunk(4, dim=-1)  # in the order of torch.nn.LSTMCell
        c = torch.sigmoid(keep) * c + torch.sigmoid(enter) * torch.tanh(fresh)
        return torch.sigmoid(show) * torch.tanh(c), c

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.hidden_features}"


class StackedLSTM(nn.Module):
    r"""Layers of LSTM and a linear layer to one number, applied to every coordinate of every node.

    Every coordinate has states of its own and all share the weights, so that the network accepts any number of nodes
    and coordinates (Andrychowicz et al. 2016, arXiv:1606.04474, Section 2.1).

    Args:
        in_features: numbers that describe a coordinate.
        hidden_features: H, width of every layer.
        layers: how many.
        output_bias: whether the linear layer has a bias, with which the output is never 0 for good.

    Shape:
        - **features**: ``(N, d, in_features)``
        - **states**: of every layer h and c, each ``(N, d, H)``, zero at the start (:meth:`initial_states`)
        - **output**: ``(N, d)``, and the new states
    """

    def __init__(self, in_features: int, hidden_features: int, layers: int, *, output_bias: bool = True) -> None:
        super().__init__()
        self.hidden_features = hidden_features
        widths = [in_features, *[hidden_features] * (layers - 1)]
        self.layers = nn.ModuleList(LSTMLayer(width, hidden_features) for width in widths)
        self.output = nn.Linear(hidden_features, 1, bias=output_bias)

    def make_still(self) -> None:
        """Make the network emit 0 whatever its inputs."""
        for parameter in self.output.parameters():
            nn.init.zeros_(parameter)

    def initial_states(self, like: Tensor) -> States:
        """Return the zero states for nodes and coordinates as those of ``like``, ``(N, d)``."""
        zero = like.new_zeros(*like.shape, self.hidden_features)
        return ((zero, zero),) * len(self.layers)

    def forward(self, features: Tensor, states: States) -> tuple[Tensor, States]:
        new = []
        for layer, state in zip(self.layers, states, strict=True):
            h, c = layer(features, state)
            new.append((h, c))
            features = h
        return self.output(features).squeeze(-1), tuple(new)
