"""The recurrent network that every preconditioner is made of."""

import math

import torch
from torch import Tensor, nn

from gnn_l2o._utils.errors import InputError

Memory = tuple[Tensor, Tensor]  # h and c, each (hidden_features, rows, d)
SKIP_RATE = 5.0  # by which a training step changes the skip connection more than the rest of the network
BLOCK = 2**14  # coordinates that are computed at a time where nothing is differentiated: they fit into a cache


class CoordinateLSTM(nn.Module):
    r"""One LSTM cell and a two-layer perceptron, applied to every coordinate of every row with the same weights.

    It is the network :math:`\phi` of He et al. 2024 (Section 4.2, Eqs. (25)-(27), E.3): the state h, c of a coordinate
    is its own, the weights are shared, so that the network accepts any number of rows and coordinates.

    With ``skip_connection`` the features also reach the outputs through one linear layer beside the LSTM: what follows
    from graph and problem alone, as most of the coefficients do, is then learned in fewer updates.

    Features stand first, ``(features, rows, d)``: then all arithmetic runs over long contiguous blocks of memory, which
    on a CPU takes two thirds of the time of ``torch.nn.LSTMCell`` on ``(rows * d, features)``.

    Args:
        in_features: numbers that describe a coordinate.
        hidden_features: width of the LSTM's state and of the perceptron.
        out_features: numbers returned for a coordinate.
        skip_connection: whether there is a linear layer beside the LSTM.

    Shape:
        - **features**: ``(in_features, rows, d)``
        - **memory**: h and c, each ``(hidden_features, rows, d)``, zero at the start (:meth:`initial_memory`)
        - **output**: ``(out_features, rows, d)``, and the new memory
    """

    def __init__(
        self, in_features: int, hidden_features: int, out_features: int, *, skip_connection: bool = False
    ) -> None:
        super().__init__()
        self.in_features, self.hidden_features, self.out_features = in_features, hidden_features, out_features
        self.cell = nn.LSTMCell(in_features, hidden_features)  # holds the weights; its forward is for the other layout
        self.inner = nn.Linear(hidden_features, hidden_features)
        self.outer = nn.Linear(hidden_features, out_features)
        self.skip_connection = nn.Linear(in_features, out_features, bias=False) if skip_connection else None

    def reset_parameters(self) -> None:
        """Draw all weights anew, as PyTorch does by default: the paper's random initialization."""
        for part in (self.cell, self.inner, self.outer):
            part.reset_parameters()
        if self.skip_connection is not None:
            self.skip_connection.reset_parameters()

    def emit(self, output: list[float]) -> None:
        """Make the network emit ``output`` whatever its inputs: the paper's special initialization (E.1)."""
        nn.init.zeros_(self.outer.weight)
        if self.skip_connection is not None:
            nn.init.zeros_(self.skip_connection.weight)
        with torch.no_grad():
            self.outer.bias.copy_(torch.tensor(output))

    def make_linear(self, coefficients: Tensor) -> None:
        """Make the network emit a constant plus multiples of its last features; it must have a skip connection.

        Args:
            coefficients: ``(1 + k, out_features)``, the constant first, then those of the last k features.
        """
        assert self.skip_connection is not None
        self.emit(coefficients[0].tolist())
        with torch.no_grad():
            self.skip_connection.weight[:, 1 - len(coefficients) :] = coefficients[1:].t() / SKIP_RATE

    def initial_memory(self, like: Tensor) -> Memory:
        """Return the zero state for rows and coordinates as those of ``like``, ``(rows, d)``."""
        zero = like.new_zeros(self.hidden_features, *like.shape)
        return zero, zero

    def forward(self, features: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        shape = features.shape[1:]
        inputs = tuple(part.flatten(1) for part in (features, *memory))
        if torch.is_grad_enabled() or inputs[0].size(1) <= BLOCK:
            results = self._compute(*inputs)
        else:
            results = self._compute_in_blocks(*inputs)
        output, h, c = (part.reshape(part.size(0), *shape) for part in results)
        return output, (h, c)

    def _compute(self, features: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return output, h and c of coordinates in one row: ``(features, k)`` and so on."""
        stacked = torch.cat([features, h])
        weight = torch.cat([self.cell.weight_ih, self.cell.weight_hh], dim=1)
        gates = torch.addmm((self.cell.bias_ih + self.cell.bias_hh).unsqueeze(1), weight, stacked)
        enter, keep, fresh, show = gates.chunk(4)  # in the order of torch.nn.LSTMCell
        c = torch.sigmoid(keep) * c + torch.sigmoid(enter) * torch.tanh(fresh)
        h = torch.sigmoid(show) * torch.tanh(c)
        inner = torch.addmm(self.inner.bias.unsqueeze(1), self.inner.weight, h).relu()
        output = torch.addmm(self.outer.bias.unsqueeze(1), self.outer.weight, inner)
        if self.skip_connection is not None:
            output = torch.addmm(output, self.skip_connection.weight, features, alpha=SKIP_RATE)
        return output, h, c

    def _compute_in_blocks(self, features: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the same, with intermediate results of one block at a time: they are six times as large as h."""
        output = features.new_empty(self.out_features, features.size(1))
        new_h, new_c = torch.empty_like(h), torch.empty_like(c)
        for start in range(0, features.size(1), BLOCK):
            block = slice(start, start + BLOCK)
            results = self._compute(features[:, block], h[:, block], c[:, block])
            for whole, part in zip((output, new_h, new_c), results, strict=True):
                whole[:, block] = part
        return output, new_h, new_c

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.hidden_features}, {self.out_features}"


def logit(name: str, value: float, limit: float = 1.0) -> float:
    """Return o with ``limit * sigmoid(o) = value``.

    Raises:
        InputError: ``value``, which the message calls ``name``, is not between 0 and ``limit``.
    """
    if not 0 < value < limit:
        raise InputError(f"the scale-free parametrization keeps {name} between 0 and {limit:g}, got {value:g}")
    return math.log(value / (limit - value))
