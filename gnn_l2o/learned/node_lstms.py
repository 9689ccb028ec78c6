"""Recurrent networks of every node's own, evaluated together."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

Memory = tuple[Tensor, Tensor]  # h and c, each (nodes, hidden_features, columns)


class NodeLSTMs(nn.Module):
    r"""For every node an LSTM cell and a two-layer perceptron with weights of its own (He et al. 2024, 4.2, E.3).

    What one :class:`~gnn_l2o.nn.CoordinateLSTM` is to all nodes; here the nodes' matrices are multiplied as one batch.
    A column is whatever a node applies the same weights to: a coordinate, or a problem of the batch.

    Args:
        nodes: how many networks.
        in_features: numbers that come in.
        hidden_features: width of the LSTM's state and of the perceptron.
        out_features: numbers that go out.

    Shape:
        - **features**: ``(nodes, in_features, columns)``
        - **memory**: h and c, each ``(nodes, hidden_features, columns)``, zero at the start (:meth:`initial_memory`)
        - **output**: ``(nodes, out_features, columns)``, and the new memory
    """

    def __init__(self, nodes: int, in_features: int, hidden_features: int, out_features: int) -> None:
        super().__init__()
        self.nodes, self.hidden_features = nodes, hidden_features
        gates = 4 * hidden_features
        self.weight_ih = nn.Parameter(torch.empty(nodes, gates, in_features))
        self.weight_hh = nn.Parameter(torch.empty(nodes, gates, hidden_features))
        self.bias_ih = nn.Parameter(torch.empty(nodes, gates, 1))
        self.bias_hh = nn.Parameter(torch.empty(nodes, gates, 1))
        self.inner_weight = nn.Parameter(torch.empty(nodes, hidden_features, hidden_features))
        self.inner_bias = nn.Parameter(torch.empty(nodes, hidden_features, 1))
        self.outer_weight = nn.Parameter(torch.empty(nodes, out_features, hidden_features))
        self.outer_bias = nn.Parameter(torch.empty(nodes, out_features, 1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights anew, as PyTorch does by default in its LSTMCell and Linear: random initialization (E.1)."""
        bound = 1 / math.sqrt(self.hidden_features)  # of both, since every perceptron layer has this many inputs
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def emit(self, output: Tensor) -> None:
        """Make the networks emit ``output``, ``(nodes, out_features)``, whatever their inputs (special, E.1)."""
        nn.init.zeros_(self.outer_weight)
        with torch.no_grad():
            self.outer_bias.copy_(output.unsqueeze(2))

    def initial_memory(self, like: Tensor, columns: int) -> Memory:
        """Return the zero state for so many columns, in the precision and place of ``like``."""
        zero = like.new_zeros(self.nodes, self.hidden_features, columns)
        return zero, zero

    def forward(self, features: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        h, c = memory
        weight = torch.cat([self.weight_ih, self.weight_hh], dim=2)
        gates = torch.baddbmm(self.bias_ih + self.bias_hh, weight, torch.cat([features, h], dim=1))
        enter, keep, fresh, show = gates.chunk(4, dim=1)  # in the order of torch.nn.LSTMCell
        c = torch.sigmoid(keep) * c + torch.sigmoid(enter) * torch.tanh(fresh)
        h = torch.sigmoid(show) * torch.tanh(c)
        inner = torch.baddbmm(self.inner_bias, self.inner_weight, h).relu()
        return torch.baddbmm(self.outer_bias, self.outer_weight, inner), (h, c)
