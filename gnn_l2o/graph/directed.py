"""The directed communication graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self

import networkx as nx
import numpy as np
import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.distances import directed_diameter
from gnn_l2o.graph.edges import check_edges, numbered_edges
from gnn_l2o.graph.network import Network

BOTH_WAYS = ("link_index", "edge_link", "reverse", "spectra")
"""What a network has only where every edge has its reverse; all exchanges that need both directions read one of it."""


class DirectedNetwork(Network):
    r"""A directed, strongly connected communication graph, over which nodes push: a :class:`~gnn_l2o.Network`.

    An edge (j, i) carries vectors from j to i only. What nodes can do over it is :meth:`push`, to receive what
    in-neighbours send (``neighbours(..., directed=True)``), and minima over the graph. Everything that needs an answer,
    mixing above all, raises an error. Methods say whether they run over directed graphs (:attr:`.Algorithm.directed`).

    Build one with :meth:`from_networkx`, :meth:`from_edges` or :meth:`from_edge_index`, which refuse self-loops,
    multi-edges and graphs that are not strongly connected.

    Attributes:
        edge_index: ``(2, E)``, row 0 the sender j, row 1 the receiver i; sorted by receiver, then sender.
        weight: ``(E, 1)``, the push weight :math:`c_{ij}` of every edge, see :class:`.PushSum`.
        batch: ``(N,)``, the graph of every node.
        diameter: ``(G, 1)``, the largest distance from one node to another of every graph, along edges; for more than
            2,000 nodes an upper bound (:func:`~gnn_l2o.graph.distances.directed_diameter`).

    Shape:
        N nodes, E directed edges, G graphs, d coordinates.

    Example:
        >>> network = DirectedNetwork.from_edges([(0, 1), (1, 2), (2, 0), (0, 2)])
        >>> network.push(torch.eye(3))[0]
        tensor([[0.3333, 0.0000, 0.5000],
                [0.3333, 0.5000, 0.0000],
                [0.3333, 0.5000, 0.5000]])
    """

    directed: ClassVar[bool] = True

    @classmethod
    def from_networkx(cls, graph: nx.Graph) -> Self:  # type: ignore[override]  # push weights have no rule to choose
        """Return the directed network of a networkx graph; its nodes are numbered in the order of the graph.

        Args:
            graph: strongly connected, without self-loops or multi-edges. An undirected edge is one in each direction.

        Raises:
            InputError: the graph is a multigraph, has a self-loop, is empty or not strongly connected.
        """
        return cls.from_edges(*numbered_edges(graph.to_directed()))

    @classmethod
    def from_edges(  # type: ignore[override]
        cls, edges: Iterable[tuple[int, int]], num_nodes: int | None = None
    ) -> Self:
        """Return the network with these directed edges.

        Args:
            edges: pairs of node numbers, the sender first.
            num_nodes: N; by default the largest number that occurs, plus one.

        Raises:
            InputError: a self-loop, an edge given twice, a node out of range, or a graph not strongly connected.
        """
        pairs = np.array(list(edges), dtype=np.int64).reshape(-1, 2)
        num_nodes = int(pairs.max(initial=-1)) + 1 if num_nodes is None else num_nodes
        check_edges(pairs, num_nodes, directed=True)
        pairs = pairs[np.lexsort((pairs[:, 0], pairs[:, 1]))]
        share = 1.0 / (1.0 + np.bincount(pairs[:, 0], minlength=num_nodes))
        return cls(
            edge_index=torch.from_numpy(pairs.T.copy()),
            weight=torch.from_numpy(share[pairs[:, :1]]),
            batch=torch.zeros(num_nodes, dtype=torch.long),
            num_nodes=num_nodes,
        )

    @classmethod
    def from_edge_index(  # type: ignore[override]
        cls, edge_index: Tensor, num_nodes: int | None = None
    ) -> Self:
        """Return the network of a PyTorch Geometric ``edge_index``.

        Raises:
            InputError: as :meth:`from_edges`.
        """
        return cls.from_edges([(j, i) for j, i in edge_index.t().tolist()], num_nodes)

    @classmethod
    def from_mixing_matrix(cls, matrix: np.ndarray) -> Self:
        """Raise an error: a directed network has push weights.

        Raises:
            InputError: always.
        """
        raise InputError("a directed network has push weights and no mixing matrix; expected Network's")

    @classmethod
    def concatenate(cls, networks: Sequence[Network]) -> Self:
        """Return several directed networks side by side as one, without edges between them."""
        sizes = torch.tensor([n.num_nodes for n in networks])
        graphs = torch.tensor([n.num_graphs for n in networks])
        nodes_before, graphs_before = sizes.cumsum(0) - sizes, graphs.cumsum(0) - graphs
        return cls(
            edge_index=torch.cat([n.edge_index + int(k) for n, k in zip(networks, nodes_before, strict=True)], dim=1),
            weight=torch.cat([n.weight for n in networks]),
            batch=torch.cat([n.batch + int(k) for n, k in zip(networks, graphs_before, strict=True)]),
            num_nodes=int(sizes.sum()),
        )

    def fingerprint_parts(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.edge_index, self.weight, self.batch

    @property
    def num_graphs(self) -> int:  # type: ignore[override]  # an attribute of Communication
        """G, how many graphs stand side by side."""
        return int(self.batch[-1]) + 1

    @property
    def diameter(self) -> Tensor:  # type: ignore[override]  # an attribute of Communication
        found = [directed_diameter(edges, size) for edges, size in self._graphs(self.edge_index)]
        return torch.tensor(found, device=self.batch.device).unsqueeze(1)

    @property
    def out_degree(self) -> Tensor:
        return torch.bincount(self.edge_index[0], minlength=self.num_nodes).unsqueeze(1).to(self.weight)

    def __getattr__(self, key: str) -> Any:
        if key in BOTH_WAYS:
            raise InputError(
                "the network is directed, and this needs answers over its edges; expected push() or an undirected "
                "network (Network.from_networkx(graph.to_undirected()))"
            )
        return super().__getattr__(key)
