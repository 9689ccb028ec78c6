"""How the update rule exchanges values between neighbours, whatever holds the graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor

from gnn_l2o.graph.communication import Ends
from gnn_l2o.graph.network import Network


class Exchange(Protocol):
    """The exchanges of :class:`~gnn_l2o.graph.communication.Communication` with one kind of rows of edges.

    Edges stand in R rows: once an undirected edge, or once in each direction.
    """

    def neighbours(self, *vectors: Tensor, numbers: Tensor | None = None, setup: bool = False) -> tuple[Ends, ...]:
        """Send vectors ``(N, d)`` and numbers ``(N, k)`` to all neighbours; return both ends' values."""

    def graph_min(self, value: Tensor, *, setup: bool = False) -> Tensor:
        """Return at every node the smallest number of its graph: ``(N, 1)`` to ``(N, 1)``."""

    def swap(self, value: Tensor) -> Tensor:
        """Send every row to the other end of its edge: ``(R, d)`` to ``(R, d)``; only with a row for each direction."""

    def collect(self, message: Tensor) -> Tensor:
        """Sum the messages of its edges at every node i: ``(R, d)`` to ``(N, d)``. No communication."""

    def reduce(self, value: Tensor, how: Literal["sum", "amin", "amax"], *, empty: float) -> Tensor:
        """Reduce at every node what its edges' both ends know: ``(R, d)`` to ``(N, d)``. No communication."""

    def at_edges(self, value: Tensor) -> Tensor:
        """Give every row the number that all nodes of its graph have: ``(N, 1)`` to ``(R, 1)``."""

    def operator(self, *weights: Tensor) -> Tensor | None:
        r"""Return what makes :math:`\sum_j p_{ij} (z_i - z_j)` of z, for p's ``(R, 1)``; ``None`` if nothing does."""

    def flows(self, operator: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        """Send z over every edge and apply an operator: ``(N, d)`` for each of its p's."""


@dataclass(frozen=True)
class NetworkExchange:
    """The :class:`Exchange` over a :class:`~gnn_l2o.Network`.

    Attributes:
        network: the graph.
        directed: whether rows are directed edges; otherwise links.
    """

    network: Network
    directed: bool = False

    def neighbours(self, *vectors: Tensor, numbers: Tensor | None = None, setup: bool = False) -> tuple[Ends, ...]:
        return self.network.neighbours(*vectors, numbers=numbers, directed=self.directed, setup=setup)

    def graph_min(self, value: Tensor, *, setup: bool = False) -> Tensor:
        return self.network.graph_min(value, setup=setup)

    def swap(self, value: Tensor) -> Tensor:
        return self.network.swap(value)

    def collect(self, message: Tensor) -> Tensor:
        return self.network.collect(message, directed=self.directed)

    def reduce(self, value: Tensor, how: Literal["sum", "amin", "amax"], *, empty: float) -> Tensor:
        return self.network.reduce(value, how, empty=empty, directed=self.directed)

    def at_edges(self, value: Tensor) -> Tensor:
        return self.network.at_edges(value, directed=self.directed)

    def operator(self, *weights: Tensor) -> Tensor | None:
        # Rows of directed edges may differ in both directions, which Laplacians of links cannot say.
        return None if self.directed else self.network.laplacians(*weights)

    def flows(self, operator: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        return self.network.flows(operator, z)
