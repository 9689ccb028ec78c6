"""What nodes know of themselves, their edges and their graph, without a message."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor


class Knowledge:
    """The nodes and edges of a :class:`~gnn_l2o.Network`, which provides the attributes.

    Rows of edges are either the U links (each undirected edge once; node i is the end with the smaller number) or,
    with ``directed=True``, the E directed edges (node i is the receiver).

    Shape:
        N nodes, E directed edges, U = E/2 links, R rows of edges (U or E), G graphs side by side, d coordinates, M ends
        of edges: the N nodes, unless some belong to other processes.
    """

    edge_index: Tensor  # (2, E)
    link_index: Tensor  # (2, U)
    edge_link: Tensor  # (E,)
    reverse: Tensor  # (E,)
    weight: Tensor  # (U, 1)
    batch: Tensor  # (N,)
    diameter: Tensor  # (G, 1)
    radius: Tensor  # (G, 1)
    num_nodes: int
    num_graphs: int

    @cached_property
    def link_number(self) -> Tensor:
        """``(U,)``, the number of every link in the whole graph, of which this may be a part."""
        return torch.arange(self.weight.size(0), device=self.weight.device)

    @cached_property
    def node_number(self) -> Tensor:
        """The number in the whole graph of every node that ``link_index`` names, ``(N,)``."""
        return torch.arange(self.num_nodes, device=self.weight.device)

    @property
    def totals(self) -> tuple[int, int]:
        """How many nodes and how many links the whole graph has."""
        return self.node_number.numel(), self.link_number.numel()

    def _ends(self, directed: bool) -> Tensor:
        """Return the nodes i and j of every row of edges, ``(2, R)``."""
        return self.edge_index.flip(0) if directed else self.link_index

    def at_nodes(self, value: Tensor) -> Tensor:
        """Give every node the number of its graph: ``(G, 1)`` to ``(N, 1)``."""
        return value.index_select(0, self.batch)

    def at_edges(self, value: Tensor, *, directed: bool = False) -> Tensor:
        """Give every row of edges the number that all nodes of its graph have: ``(N, 1)`` to ``(R, 1)``."""
        return value.index_select(0, self._ends(directed)[0])

    def to_edges(self, value: Tensor) -> Tensor:
        """Give every directed edge (j, i) what its receiver i has: ``(N, d)`` to ``(E, d)``; no communication."""
        return value.index_select(0, self.edge_index[1])

    def weights(self, *, directed: bool = False) -> Tensor:
        """Return the mixing weights w_ij of the rows of edges, ``(R, 1)``."""
        return self.weight.index_select(0, self.edge_link) if directed else self.weight

    @property
    def self_weight(self) -> Tensor:
        r"""``(N, 1)``, the diagonal :math:`w_{ii} = 1 - \sum_j w_{ij}` of the mixing matrix."""
        return 1 - self._degree(self.weight).unsqueeze(1)

    @property
    def degree(self) -> Tensor:
        """``(N, 1)``, how many neighbours every node has, in the precision of the weights."""
        return self._degree(torch.ones_like(self.weight)).unsqueeze(1)

    @property
    def graph_sizes(self) -> Tensor:
        """``(N, 1)``, how many nodes every node's graph has, in the precision of the weights."""
        return self.at_nodes(self._graph_sizes).to(self.weight)

    def _degree(self, weight: Tensor) -> Tensor:
        """Sum weights of the links, ``(U, 1)``, at their ends, ``(N,)``."""
        total = weight.new_zeros(self.num_ends)
        for end in self.link_index:
            total = total.index_add(0, end, weight[:, 0])
        return self._own(total)

    # The rest is what an object that holds the nodes of one process only does in another way.

    @property
    def num_ends(self) -> int:
        """M, the nodes that edges of this object end in: its own, first, and those of other processes."""
        return self.num_nodes

    def _with_neighbours(self, *values: Tensor) -> tuple[Tensor, ...]:
        """Return the values at all ends of edges: each ``(N, k)`` to ``(M, k)``."""
        return values

    def _own(self, values: Tensor) -> Tensor:
        """Return those of the own nodes: ``(M, ...)`` to ``(N, ...)``."""
        return values

    def _largest(self, value: Tensor) -> Tensor:
        """Return the largest number of every graph: ``(N, 1)`` to ``(G, 1)``."""
        largest = value.new_full((self.num_graphs, 1), -torch.inf)
        return largest.scatter_reduce(0, self.batch.unsqueeze(1), value, "amax")

    def _total(self, value: Tensor) -> Tensor:
        """Return the sum over the nodes of every graph: ``(N, d)`` to ``(G, d)``."""
        return value.new_zeros(self.num_graphs, value.size(1)).index_add(0, self.batch, value)

    @property
    def _graph_sizes(self) -> Tensor:
        """How many nodes every graph has, ``(G, 1)``."""
        return torch.bincount(self.batch).unsqueeze(1)
