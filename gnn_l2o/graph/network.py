"""The communication graph, and the only place where nodes talk to each other."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import networkx as nx
import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.mixing import extreme_eigenvalues, mixing_weights


@dataclass
class Traffic:
    """What was sent over a network.

    Attributes:
        rounds: exchanges between all neighbours.
        vectors: vectors sent along every edge in each direction.
    """

    rounds: int = 0
    vectors: int = 0


class Network(Data):
    r"""An undirected, connected communication graph with a mixing matrix, as a PyTorch Geometric graph.

    An undirected edge is called a *link*; it stands once in ``link_index`` and once in each direction in
    ``edge_index``. Vectors travel over links, so the hot paths work on U = E/2 rows. Several graphs may stand side by
    side in one Network (block-diagonally); ``batch`` says which node belongs to which.

    Build one with :meth:`from_networkx` or :meth:`from_edges`, which refuse self-loops, multi-edges, directed and
    disconnected graphs.

    Attributes:
        edge_index: ``(2, E)``, row 0 the sender j, row 1 the receiver i; sorted by receiver, then sender.
        reverse: ``(E,)``, the position of edge (i, j) for every edge (j, i).
        link_index: ``(2, U)``, the two ends i < j of every link.
        edge_link: ``(E,)``, the link of every edge.
        weight: ``(U, 1)``, the mixing weight w_ij = w_ji > 0 of every link.
        batch: ``(N,)``, the graph of every node.
        spectral_gap: ``(G, 1)``, the spectral gap :math:`1 - \max(|\lambda_2|, |\lambda_N|)` of every graph's mixing matrix.
        min_eigenvalue: ``(G, 1)``, its least eigenvalue :math:`\lambda_N`, or 0 if that is positive.

    Shape:
        N nodes, E directed edges, U = E/2 links, G graphs, d coordinates.
    """

    @classmethod
    def from_networkx(cls, graph: nx.Graph, *, mixing: str = "metropolis") -> Self:
        """Return the network of a networkx graph; its nodes are numbered in the order in which the graph lists them.

        Args:
            graph: undirected, connected, without self-loops or multi-edges.
            mixing: the name of the mixing weights, see :func:`gnn_l2o.graph.mixing.mixing_weights`.

        Raises:
            InputError: the graph is directed, a multigraph, has a self-loop, is empty or disconnected.
        """
        if graph.is_directed():
            raise InputError("the graph is directed; expected an undirected one (graph.to_undirected() makes it one)")
        if graph.is_multigraph():
            raise InputError("the graph is a multigraph; expected at most one edge between two nodes (nx.Graph(graph))")
        number = {node: k for k, node in enumerate(graph.nodes)}
        return cls.from_edges([(number[u], number[v]) for u, v in graph.edges], len(number), mixing=mixing)

    @classmethod
    def from_edges(
        cls, edges: Iterable[tuple[int, int]], num_nodes: int | None = None, *, mixing: str = "metropolis"
    ) -> Self:
        """Return the network with these undirected edges, each given once, in either order of its ends.

        Args:
            edges: pairs of node numbers.
            num_nodes: N; by default the largest number that occurs, plus one.
            mixing: the name of the mixing weights, see :func:`gnn_l2o.graph.mixing.mixing_weights`.

        Raises:
            InputError: a self-loop, an edge given twice, a node out of range, or a disconnected graph.
        """
        links = np.array([(min(e), max(e)) for e in edges], dtype=np.int64).reshape(-1, 2)
        num_nodes = int(links.max(initial=-1)) + 1 if num_nodes is None else num_nodes
        _check_links(links, num_nodes)
        links = links[np.lexsort((links[:, 1], links[:, 0]))]
        weight = mixing_weights(mixing, links, num_nodes)
        least, greatest = extreme_eigenvalues(links, weight, num_nodes)
        return cls._assemble(
            torch.from_numpy(links.T.copy()),
            weight=torch.from_numpy(weight).reshape(-1, 1),
            batch=torch.zeros(num_nodes, dtype=torch.long),
            spectral_gap=torch.tensor([[1 - max(-least, greatest)]], dtype=torch.float64),
            min_eigenvalue=torch.tensor([[least]], dtype=torch.float64),
        )

    @classmethod
    def from_edge_index(cls, edge_index: Tensor, num_nodes: int | None = None, *, mixing: str = "metropolis") -> Self:
        """Return the network of a PyTorch Geometric ``edge_index`` that holds every edge in both directions.

        Raises:
            InputError: an edge lacks its reverse, or as :meth:`from_edges`.
        """
        num_nodes = int(edge_index.max()) + 1 if num_nodes is None else num_nodes
        reverse_edges(edge_index, num_nodes)
        pairs = edge_index.t().tolist()
        return cls.from_edges([(j, i) for j, i in pairs if j <= i], num_nodes, mixing=mixing)

    @classmethod
    def concatenate(cls, networks: Sequence[Network]) -> Self:
        """Return several networks side by side as one, without edges between them."""
        sizes = torch.tensor([n.num_nodes for n in networks])
        graphs = torch.tensor([n.num_graphs for n in networks])
        nodes_before, graphs_before = sizes.cumsum(0) - sizes, graphs.cumsum(0) - graphs
        return cls._assemble(
            torch.cat([n.link_index + int(k) for n, k in zip(networks, nodes_before, strict=True)], dim=1),
            weight=torch.cat([n.weight for n in networks]),
            batch=torch.cat([n.batch + int(k) for n, k in zip(networks, graphs_before, strict=True)]),
            spectral_gap=torch.cat([n.spectral_gap for n in networks]),
            min_eigenvalue=torch.cat([n.min_eigenvalue for n in networks]),
        )

    def fingerprint_parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return what decides the network, see :func:`~gnn_l2o._utils.fingerprint.fingerprint`."""
        return self.link_index, self.weight, self.batch

    @classmethod
    def _assemble(
        cls, link_index: Tensor, *, weight: Tensor, batch: Tensor, spectral_gap: Tensor, min_eigenvalue: Tensor
    ) -> Self:
        num_nodes, num_links = batch.numel(), link_index.size(1)
        edge_index = torch.cat([link_index, link_index.flip(0)], dim=1)
        order = torch.argsort(edge_index[1] * num_nodes + edge_index[0])
        edge_index = edge_index[:, order]
        return cls(
            edge_index=edge_index,
            reverse=reverse_edges(edge_index, num_nodes),
            link_index=link_index,
            edge_link=order % max(num_links, 1),
            weight=weight,
            batch=batch,
            spectral_gap=spectral_gap,
            min_eigenvalue=min_eigenvalue,
            num_nodes=num_nodes,
        )

    @property
    def num_graphs(self) -> int:
        """G, how many graphs stand side by side."""
        return int(self.spectral_gap.size(0))

    @property
    def self_weight(self) -> Tensor:
        r"""``(N, 1)``, the diagonal :math:`w_{ii} = 1 - \sum_j w_{ij}` of the mixing matrix."""
        return 1 - self._degree(self.weight).unsqueeze(1)

    def _degree(self, weight: Tensor) -> Tensor:
        """Sum weights of the links, ``(U, 1)``, at their ends, ``(N,)``."""
        total = weight.new_zeros(self.num_nodes)
        for end in self.link_index:
            total = total.index_add(0, end, weight[:, 0])
        return total

    @cached_property
    def traffic(self) -> Traffic:
        """What was sent over this object since it was made."""
        return Traffic()

    def _send(self) -> None:
        """Count a round in which a vector crosses every edge."""
        self.traffic.rounds += 1
        self.traffic.vectors += 1

    def differences(self, z: Tensor, *, directed: bool = False) -> Tensor:
        """Exchange z over every edge once: return z_i - z_j, ``(U, d)`` for links or ``(E, d)`` for directed edges."""
        self._send()
        i, j = self.edge_index.flip(0) if directed else self.link_index
        return z.index_select(0, i) - z.index_select(0, j)

    def collect(self, message: Tensor, *, directed: bool = False) -> Tensor:
        r"""Sum at every node the messages of its edges; no communication. Return ``(N, d)``.

        Args:
            message: directed, ``(E, d)``: edge (j, i) adds to receiver i. Otherwise ``(U, d)``, odd in the direction
                of the link, as :meth:`differences` and symmetric multiples of it are: link {i, j} with i < j adds to i
                and subtracts from j.
            directed: which of the two.
        """
        total = message.new_zeros(self.num_nodes, message.size(1))
        if directed:
            return total.index_add_(0, self.edge_index[1], message)
        i, j = self.link_index
        return total.index_add_(0, i, message).index_add_(0, j, message, alpha=-1)

    def swap(self, value: Tensor) -> Tensor:
        """Exchange a vector for each edge: ``(E, d)`` to ``(E, d)``, entry (j, i) becomes what (i, j) was."""
        self._send()
        return value.index_select(0, self.reverse)

    def graph_min(self, value: Tensor) -> Tensor:
        """Return at every node the least number of its graph: ``(N, 1)`` to ``(N, 1)``. One round, and no vector.

        Nodes that pass on the least number they know agree after as many exchanges as the graph's diameter; they are
        counted as one round, whatever the graph, as if single numbers travelled on a channel of their own.
        """
        self.traffic.rounds += 1
        least = value.new_full((self.num_graphs, 1), torch.inf)
        least = least.scatter_reduce(0, self.batch.unsqueeze(1), value, "amin")
        return least.index_select(0, self.batch)

    def mix(self, x: Tensor) -> Tensor:
        r"""Return W x, ``(N, d)``, in the robust form :math:`x_i - \sum_j w_{ij} (x_i - x_j)` (He et al. 2024, (35)).

        The rows of W sum to one however w_ij is rounded, so a consensus is left exactly as it is.
        """
        (flow,) = self.flows(self._laplacian.to(x.dtype), x)
        return x - flow

    def flows(self, laplacians: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        r"""Exchange z over every edge once: return :math:`\sum_j p_{ij} (z_i - z_j)` for one or several kinds of p.

        Matrices whose rows sum to zero are applied to the differences to one node of each graph, which changes nothing
        but that a consensus gives exactly zero.

        Args:
            laplacians: of the p, from :meth:`laplacians`.
            z: ``(N, d)``.

        Returns:
            ``(N, d)`` for each.
        """
        self._send()
        origin = z[:1] if self.num_graphs == 1 else z.index_select(0, self._first_nodes)
        return torch.split(laplacians @ (z - origin), self.num_nodes)

    def laplacians(self, *weights: Tensor) -> Tensor:
        """Return the graph Laplacians for k weights ``(U, 1)`` of the links, one over the other: ``(k N, N)``, sparse.

        Applying them is twice as fast as summing over links, and more on dense graphs.
        """
        nodes = torch.arange(self.num_nodes, device=self.weight.device)
        source, target = self.edge_index
        values = torch.cat([torch.cat([-w[self.edge_link, 0], self._degree(w)]) for w in weights])
        rows = torch.cat([torch.cat([target, nodes]) + k * self.num_nodes for k in range(len(weights))])
        columns = torch.cat([source, nodes]).repeat(len(weights))
        index, shape = torch.stack([rows, columns]), (len(weights) * self.num_nodes, self.num_nodes)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
            return torch.sparse_coo_tensor(index, values, shape, check_invariants=False).to_sparse_csr()

    @cached_property
    def _laplacian(self) -> Tensor:
        """I - W, ``(N, N)``, sparse."""
        return self.laplacians(self.weight)

    @cached_property
    def _first_nodes(self) -> Tensor:
        """The first node of every node's graph, ``(N,)``."""
        starts = torch.searchsorted(self.batch, torch.arange(self.num_graphs, device=self.batch.device))
        return starts.index_select(0, self.batch)

    def matrix(self) -> Tensor:
        """Return the mixing matrix W, ``(N, N)``, dense; for tests and small graphs."""
        laplacian = self._laplacian.to_dense()
        return torch.eye(self.num_nodes).to(laplacian) - laplacian

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Self:
        """Return a copy on ``device``, with its real numbers in ``dtype``."""

        def move(value: Tensor) -> Tensor:
            return value.to(device=device, dtype=dtype if value.is_floating_point() else None)

        return self.__class__(**{k: move(v) if isinstance(v, Tensor) else v for k, v in self.to_dict().items()})

    def __inc__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        # Lets torch_geometric's own Batch and DataLoader join Networks: indices count edges, links or graphs.
        match key:
            case "reverse":
                return self.num_edges
            case "edge_link":
                return self.link_index.size(1)
            case "batch":
                return self.num_graphs
            case _:
                return super().__inc__(key, value, *args, **kwargs)


def reverse_edges(edge_index: Tensor, num_nodes: int) -> Tensor:
    """Return the position of edge (i, j) for every edge (j, i): ``(2, E)`` to ``(E,)``.

    Raises:
        InputError: an edge lacks its reverse, or one of the two stands there more often.
    """
    source, target = edge_index
    by_source, by_target = torch.argsort(source * num_nodes + target), torch.argsort(target * num_nodes + source)
    if not torch.equal(edge_index[:, by_source], edge_index.flip(0)[:, by_target]):
        count = Counter((j, i) for j, i in edge_index.t().tolist())
        j, i = min((j, i) for j, i in count if count[j, i] > count[i, j])
        raise InputError(
            f"edge_index holds edge {j}->{i} {'more often than' if count[i, j] else 'but not'} {i}->{j}; "
            "expected both directions, each once (torch_geometric.utils.to_undirected makes it so)"
        )
    return torch.empty_like(by_source).scatter_(0, by_source, by_target)


def _check_links(links: np.ndarray, num_nodes: int) -> None:
    if num_nodes < 1:
        raise InputError("the graph has no nodes; expected at least one")
    if links.size and (links.min() < 0 or links.max() >= num_nodes):
        bad = links[(links.min(1) < 0) | (links.max(1) >= num_nodes)][0]
        raise InputError(f"edge ({bad[0]}, {bad[1]}) names a node outside 0..{num_nodes - 1}")
    loops = links[links[:, 0] == links[:, 1]]
    if loops.size:
        raise InputError(
            f"node {loops[0, 0]} has a self-loop; expected none (a node's own weight is w_ii, not an edge)"
        )
    unique, count = np.unique(links, axis=0, return_counts=True)
    if (count > 1).any():
        i, j = unique[count > 1][0]
        raise InputError(f"edge ({i}, {j}) is given more than once; expected each undirected edge once")
    graph = nx.empty_graph(num_nodes)
    graph.add_edges_from(links.tolist())
    parts = nx.number_connected_components(graph)
    if parts > 1:
        raise InputError(f"the graph falls into {parts} parts; expected a connected one")
