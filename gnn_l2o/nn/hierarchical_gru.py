"""Gated recurrent units at three levels: of coordinates, of the arrays they make up, and of all together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

SCALE = 0.5  # of the deviation of weights, times the root of how many inputs there are (authors' code of L2O-Scale)
GATE_BIAS = 2.2  # at the start, for gates of about 0.9 (likewise)


@dataclass(frozen=True, eq=False)
class Levels:
    """The states of :class:`HierarchicalGRU`, for N nodes and T arrays with d coordinates together."""

    coordinates: Tensor  # (N, d, coordinate_features)
    arrays: Tensor  # (N, T, array_features)
    whole: Tensor  # (N, 1, whole_features)


def array_means(values: Tensor, sizes: Sequence[int]) -> Tensor:
    """Average over the coordinates of every array: ``(N, d, F)`` to ``(N, T, F)``.

    Args:
        values: for coordinates, those of an array beside each other.
        sizes: how many coordinates each array has.

    Example:
        >>> array_means(torch.tensor([[[1.0], [3.0], [7.0]]]), (2, 1)).flatten().tolist()
        [2.0, 7.0]
    """
    return torch.stack([part.mean(dim=1) for part in torch.split(values, list(sizes), dim=1)], dim=1)


def to_coordinates(values: Tensor, sizes: Sequence[int]) -> Tensor:
    """Give every coordinate the values of its array: ``(N, T, F)`` to ``(N, d, F)``."""
    parts = torch.split(values, 1, dim=1)
    return torch.cat([part.expand(-1, size, -1) for part, size in zip(parts, sizes, strict=True)], dim=1)


class BiasedGRU(nn.Module):
    r"""A gated recurrent unit (Cho et al. 2014, arXiv:1406.1078) into whose gates another level adds.

    .. math::
        r &= \sigma(W_r [a, h] + b_r), \qquad u = \sigma(W_u [a, h] + b_u) \\
        h^+ &= u \odot h + (1 - u) \odot \tanh(W_c [a, r \odot h] + b_c)

    with inputs a, and :math:`b = (b_r, b_u, b_c)` the sum of biases of its own and of what is added.

    Args:
        in_features: numbers of a.
        hidden_features: H, width of h.

    Shape:
        - **features**: ``(..., in_features)``
        - **h**, **output**: ``(..., H)``
        - **added**: ``(..., 3 H)``
    """

    def __init__(self, in_features: int, hidden_features: int) -> None:
        super().__init__()
        self.gates = scaled_linear(in_features + hidden_features, 2 * hidden_features)
        self.candidate = scaled_linear(in_features + hidden_features, hidden_features)
        nn.init.constant_(self.gates.bias, GATE_BIAS)

    def forward(self, features: Tensor, h: Tensor, added: Tensor | None = None) -> Tensor:
        width = h.size(-1)
        gates = self.gates(torch.cat([features, h], dim=-1))
        reset, keep = torch.sigmoid(gates if added is None else gates + added[..., : 2 * width]).chunk(2, dim=-1)
        candidate = self.candidate(torch.cat([features, reset * h], dim=-1))
        fresh = torch.tanh(candidate if added is None else candidate + added[..., 2 * width :])
        return keep * h + (1 - keep) * fresh


class HierarchicalGRU(nn.Module):
    r"""Recurrent units of coordinates, arrays and all together, the upper ones of which steer those below.

    A coordinate sees its features; an array the means of its coordinates' new states and features; the whole the mean
    of the arrays' new states. The states of the levels above, those of the step before, enter the gates below through
    linear layers (Wichrowska et al. 2017, ICML, arXiv:1703.04813, Section 3).

    Args:
        in_features: numbers that describe a coordinate.
        coordinate_features, array_features, whole_features: widths of the states.

    Shape:
        - **features**: ``(N, d, in_features)``
        - **levels**: before the step and, as output, after it; those before the first are learned
          (:meth:`initial_states`)
        - **sizes**: the numbers of coordinates of the T arrays, d together
    """

    def __init__(self, in_features: int, coordinate_features: int, array_features: int, whole_features: int) -> None:
        super().__init__()
        self.coordinates = BiasedGRU(in_features, coordinate_features)
        self.arrays = BiasedGRU(in_features + coordinate_features, array_features)
        self.whole = BiasedGRU(array_features, whole_features)
        self.arrays_to_coordinates = scaled_linear(array_features, 3 * coordinate_features)
        self.whole_to_coordinates = scaled_linear(whole_features, 3 * coordinate_features)
        self.whole_to_arrays = scaled_linear(whole_features, 3 * array_features)
        widths = (coordinate_features, array_features, whole_features)
        self.initial = nn.ParameterList(nn.Parameter(torch.empty(width).uniform_(-1, 1)) for width in widths)

    def initial_states(self, nodes: int, sizes: Sequence[int]) -> Levels:
        """Return the states before the first step, for so many nodes and arrays of these sizes."""
        counts = sum(sizes), len(sizes), 1
        return Levels(*(first.expand(nodes, count, -1) for first, count in zip(self.initial, counts, strict=True)))

    def forward(self, features: Tensor, levels: Levels, sizes: Sequence[int]) -> Levels:
        added = self.arrays_to_coordinates(levels.arrays) + self.whole_to_coordinates(levels.whole)
        coordinates = self.coordinates(features, levels.coordinates, to_coordinates(added, sizes))
        seen = array_means(torch.cat([coordinates, features], dim=-1), sizes)
        arrays = self.arrays(seen, levels.arrays, self.whole_to_arrays(levels.whole))
        whole = self.whole(arrays.mean(dim=1, keepdim=True), levels.whole)
        return Levels(coordinates, arrays, whole)


def scaled_linear(in_features: int, out_features: int, *, bias: bool = True, mean: float = 0.0) -> nn.Linear:
    r"""Return a linear layer with normal weights of deviation :math:`0.5 / \sqrt{\text{inputs}}`; biases are 0."""
    layer = nn.Linear(in_features, out_features, bias=bias)
    nn.init.normal_(layer.weight, mean, SCALE / math.sqrt(in_features))
    if bias:
        nn.init.zeros_(layer.bias)
    return layer
