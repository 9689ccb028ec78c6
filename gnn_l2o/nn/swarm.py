"""The network of L2O-Swarm: attention over the features of a particle, and an LSTM."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gnn_l2o.nn.stacked_lstm import StackedLSTM, States


class FeatureAttention(nn.Module):
    r"""The sum of the features of a particle, weighted by attention, in every coordinate.

    .. math::
        s = \sum_r p_r \phi_r, \qquad p = \mathrm{softmax}_r(a_r), \qquad a_r = v^\top \tanh(W \phi_r + U h)

    with h what the LSTM has of the coordinate (Cao et al. 2019, arXiv:1911.03787). W has one column, since
    a feature is a number here: all coordinates share the weights, and any number of them is taken.

    Args:
        hidden_features: H, width of the LSTM and of the attention.

    Shape:
        - **features**: ``(N, d, 4)``
        - **h**: ``(N, d, H)``
        - **output**: ``(N, d)``
    """

    def __init__(self, hidden_features: int) -> None:
        super().__init__()
        self.hidden_features = hidden_features
        self.feature = nn.Parameter(torch.empty(hidden_features))  # W
        self.memory = nn.Parameter(torch.empty(hidden_features, hidden_features))  # U
        self.score = nn.Parameter(torch.empty(hidden_features))  # v
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights anew, uniformly from :math:`\\pm 1 / \\sqrt H`."""
        bound = 1 / math.sqrt(self.hidden_features)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, features: Tensor, h: Tensor) -> Tensor:
        remembered = nn.functional.linear(h, self.memory).unsqueeze(-2)  # (N, d, 1, H)
        scores = torch.tanh(features.unsqueeze(-1) * self.feature + remembered) @ self.score
        return (scores.softmax(dim=-1) * features).sum(dim=-1)

    def extra_repr(self) -> str:
        return f"{self.hidden_features}"


class SwarmNetwork(nn.Module):
    """The weights of L2O-Swarm, which all particles and coordinates share.

    Args:
        hidden_features: H, width of the LSTM layers and of the attention.

    Shape:
        - **attention**: features ``(N, d, 4)`` and h ``(N, d, H)`` to ``(N, d)``
        - **lstm**: ``(N, d, 1)`` to ``(N, d)``, with two layers

    Example:
        >>> sum(p.numel() for p in SwarmNetwork().parameters())
        5501
    """

    def __init__(self, hidden_features: int = 20) -> None:
        super().__init__()
        self.attention = FeatureAttention(hidden_features)
        self.lstm = StackedLSTM(1, hidden_features, 2)

    def summarize(self, features: Tensor, states: States) -> Tensor:
        """Return the sum of the features, weighted with the states of the LSTM: ``(N, d, 4)`` to ``(N, d)``."""
        return self.attention(features, states[-1][0])
