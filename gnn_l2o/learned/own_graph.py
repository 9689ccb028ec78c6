"""The one graph that networks of every node's own are bound to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.network import Network


@dataclass(frozen=True)
class OwnGraph:
    """A graph by its links, and how values of its nodes and edges are laid out for one network a node.

    Several copies of the graph may stand side by side in one :class:`~gnn_l2o.graph.network.Network`, as in training.

    Attributes:
        links: the undirected links i < j, ascending; empty for a lone node.

    Shape:
        n nodes and e directed edges of the graph, D its largest degree, B copies, d coordinates.
    """

    links: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, network: Network) -> Self:
        """Return the first graph of a network."""
        nodes = int((network.batch == 0).sum())
        return cls(tuple((i, j) for i, j in network.link_index.t().tolist() if j < nodes))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the graph that ``str`` of another gave.

        Raises:
            InputError: the text is not like ``"0-1 1-2"``.

        Example:
            >>> str(OwnGraph.parse("0-1 1-2")), OwnGraph.parse("0-1 1-2").num_nodes
            ('0-1 1-2', 3)
        """
        try:
            links = tuple((int(i), int(j)) for i, j in (link.split("-") for link in text.split()))
        except ValueError:
            raise InputError(f"links are written as in '0-1 1-2', got {text!r}") from None
        # Network refuses what is no connected graph, and puts its links in order.
        with torch.device("cpu"):  # also while weights are drawn on "meta"
            return cls.of(Network.from_edges(links, None if links else 1))

    def __str__(self) -> str:
        return " ".join(f"{i}-{j}" for i, j in self.links)

    @property
    def num_nodes(self) -> int:
        """How many nodes the graph has."""
        return 1 + max((j for _, j in self.links), default=0)

    @cached_property
    def edges(self) -> list[tuple[int, int]]:
        """The directed edges as (receiver i, sender j), in the order of a Network's ``edge_index``."""
        return sorted([*self.links, *((j, i) for i, j in self.links)])

    @cached_property
    def degrees(self) -> list[int]:
        """The number of neighbours of every node."""
        return [sum(i == node for i, _ in self.edges) for node in range(self.num_nodes)]

    @cached_property
    def width(self) -> int:
        """D, the largest degree."""
        return max(self.degrees)

    @cached_property
    def slots(self) -> Tensor:
        """Where each edge stands among n times D places, ``(e,)``: the k-th neighbour of node i at i D + k."""
        first = torch.tensor([0, *self.degrees]).cumsum(0)
        receivers = torch.tensor([i for i, _ in self.edges], dtype=torch.long)
        return receivers * self.width + torch.arange(len(self.edges)) - first[receivers]

    def refusal(self, network: Network) -> str | None:
        """Return why a network is not made of copies of this graph; ``None`` if it is."""
        if network.is_copies_of(self.links, self.num_nodes):
            return None
        nodes, links = network.num_nodes / network.num_graphs, network.weights().size(0) / network.num_graphs
        return (
            f"its networks are bound to their graph of {self.num_nodes} nodes and {len(self.links)} links; "
            f"this is another one, or a part of it, of {nodes:g} nodes and {links:g} links"
        )

    def of_nodes(self, value: Tensor) -> Tensor:
        """Lay values of nodes out, ``(B n, d)`` to ``(n, B, d)``."""
        return value.reshape(-1, self.num_nodes, value.size(1)).transpose(0, 1)

    def to_nodes(self, value: Tensor) -> Tensor:
        """Return ``(n, B, d)`` to ``(B n, d)``, the inverse of :meth:`of_nodes`."""
        return value.transpose(0, 1).reshape(-1, value.size(2))

    def of_edges(self, value: Tensor, copies: int) -> Tensor:
        """Lay values of directed edges out by their receivers, ``(B e, d)`` to ``(n, D, B, d)``, 0 where none is."""
        rows = value.reshape(copies, len(self.edges), value.size(1)).transpose(0, 1)
        places = value.new_zeros(self.num_nodes * self.width, *rows.shape[1:])
        places = places.index_copy(0, self.slots.to(value.device), rows)
        return places.reshape(self.num_nodes, self.width, *rows.shape[1:])

    def to_edges(self, value: Tensor) -> Tensor:
        """Return ``(n, D, B, d)`` to ``(B e, d)``, the inverse of :meth:`of_edges`."""
        rows = value.flatten(0, 1).index_select(0, self.slots.to(value.device))
        return rows.transpose(0, 1).reshape(-1, value.size(3))
