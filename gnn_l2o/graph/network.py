"""The communication graph."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import networkx as nx
import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.distances import extents
from gnn_l2o.graph.edges import check_edges, numbered_edges, reverse_edges, reverse_positions
from gnn_l2o.graph.mixing import mixing_weights
from gnn_l2o.graph.push_sum import PushSum
from gnn_l2o.graph.spectrum import MixingSpectrum

if TYPE_CHECKING:
    from gnn_l2o.graph.faults import Faults, FaultyNetwork


class Network(PushSum, Data):
    r"""An undirected, connected communication graph with a mixing matrix, as a PyTorch Geometric graph.

    An undirected edge is called a *link*; it stands once in ``link_index`` and once in each direction in
    ``edge_index``. Vectors travel over links, so the hot paths work on U = E/2 rows. Several graphs may stand side by
    side in one Network (block-diagonally); ``batch`` says which node belongs to which. What nodes send to each other
    goes through the methods of :class:`~gnn_l2o.graph.communication.Communication` and :class:`.PushSum`, which count
    it.

    Build one with :meth:`from_networkx` or :meth:`from_edges`, which refuse self-loops, multi-edges, directed and
    disconnected graphs.

    Attributes:
        edge_index: ``(2, E)``, row 0 the sender j, row 1 the receiver i; sorted by receiver, then sender.
        reverse: ``(E,)``, the position of edge (i, j) for every edge (j, i).
        link_index: ``(2, U)``, the two ends i < j of every link.
        edge_link: ``(E,)``, the link of every edge.
        weight: ``(U, 1)``, the mixing weight w_ij = w_ji > 0 of every link.
        batch: ``(N,)``, the graph of every node.
        spectra: the spectra of the graphs' mixing matrices, from which the next two are found when they are first read.
        spectral_gap: ``(G, 1)``, :math:`1 - \max(|\lambda_2|, |\lambda_N|)` of every graph's mixing matrix; for more
            than 1,000 nodes a lower bound, at most 0.1 % lower (:class:`~gnn_l2o.graph.spectrum.MixingSpectrum`).
        min_eigenvalue: ``(G, 1)``, its smallest eigenvalue :math:`\lambda_N`, or 0 if that is positive, likewise.
        diameter: ``(G, 1)``, the largest distance between two nodes of every graph, in edges; for more than 2,000 nodes
            it may be an upper bound (:func:`~gnn_l2o.graph.distances.extents`). Found when it is first read.
        radius: ``(G, 1)``, the distance from a centre of every graph to the node farthest from it, likewise.

    Shape:
        N nodes, E directed edges, U = E/2 links, G graphs, d coordinates.
    """

    directed: ClassVar[bool] = False
    """Whether edges carry vectors in one direction only, as those of a :class:`.DirectedNetwork` do."""

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
            raise InputError(
                "the graph is directed; expected an undirected one (graph.to_undirected() makes it one), or "
                "DirectedNetwork.from_networkx(graph) for push-sum methods"
            )
        return cls.from_edges(*numbered_edges(graph), mixing=mixing)

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
        links = np.sort(np.array(list(edges), dtype=np.int64).reshape(-1, 2), axis=1)
        num_nodes = int(links.max(initial=-1)) + 1 if num_nodes is None else num_nodes
        check_edges(links, num_nodes)
        links = links[np.lexsort((links[:, 1], links[:, 0]))]
        return cls._weighted(links, mixing_weights(mixing, links, num_nodes), num_nodes)

    @classmethod
    def from_mixing_matrix(cls, matrix: np.ndarray) -> Self:
        """Return the network with this mixing matrix W, whose positive entries off the diagonal are the edges.

        Args:
            matrix: ``(N, N)``, symmetric with rows that sum to one, no negative entry off the diagonal, and eigenvalues
                above -1.

        Raises:
            InputError: it is not such a matrix, or its graph is not connected.
        """
        i, j = np.nonzero(np.triu(matrix, 1))
        links = np.stack([i, j], axis=1)
        check_edges(links, len(matrix))
        if (matrix[i, j] < 0).any() or not np.allclose(matrix.sum(axis=1), 1) or not np.allclose(matrix, matrix.T):
            raise InputError(
                "a mixing matrix is symmetric, with rows that sum to one and no negative entry off the diagonal (a "
                "matrix of zeros and ones alone is an adjacency matrix); this one is not"
            )
        network = cls._weighted(links, matrix[i, j].astype(np.float64), len(matrix))
        if network.spectral_gap.item() < 1e-12:
            raise InputError(
                "the mixing matrix has the eigenvalue -1, so that mixing does not converge; (I + W) / 2 does"
            )
        return network

    @classmethod
    def _weighted(cls, links: np.ndarray, weight: np.ndarray, num_nodes: int) -> Self:
        """Return the network of checked links ``(U, 2)``, ascending, with their mixing weights ``(U,)``."""
        return cls._assemble(
            torch.from_numpy(links.T.copy()),
            weight=torch.from_numpy(weight).reshape(-1, 1),
            batch=torch.zeros(num_nodes, dtype=torch.long),
            spectra=(MixingSpectrum(links, weight, num_nodes),),
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
            spectra=tuple(spectrum for n in networks for spectrum in n._each_spectrum),
        )

    def fingerprint_parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return what decides the network, see :func:`~gnn_l2o._utils.fingerprint.fingerprint`."""
        return self.link_index, self.weight, self.batch

    @classmethod
    def _assemble(
        cls, link_index: Tensor, *, weight: Tensor, batch: Tensor, spectra: tuple[MixingSpectrum, ...]
    ) -> Self:
        num_nodes, num_links = batch.numel(), link_index.size(1)
        edge_index = torch.cat([link_index, link_index.flip(0)], dim=1)
        order = torch.argsort(edge_index[1] * num_nodes + edge_index[0])
        edge_index = edge_index[:, order]
        return cls(
            edge_index=edge_index,
            reverse=reverse_positions(edge_index, num_nodes),
            link_index=link_index,
            edge_link=order % max(num_links, 1),
            weight=weight,
            batch=batch,
            spectra=spectra,
            num_nodes=num_nodes,
        )

    @property
    def num_graphs(self) -> int:  # type: ignore[override]  # an attribute of Communication
        """G, how many graphs stand side by side."""
        return len(self._each_spectrum)

    @property
    def spectral_gap(self) -> Tensor:
        return self._eigenvalues[:, :1]

    @property
    def min_eigenvalue(self) -> Tensor:
        return self._eigenvalues[:, 1:]

    @cached_property
    def _eigenvalues(self) -> Tensor:
        """Spectral gap and smallest eigenvalue, ``(G, 2)``."""
        found = [(spectrum.spectral_gap, spectrum.min_eigenvalue) for spectrum in self._each_spectrum]
        return torch.tensor(found, dtype=torch.float64).to(self.weight)

    @cached_property
    def _each_spectrum(self) -> list[MixingSpectrum]:
        """The spectra one by one, which torch_geometric's own Batch keeps in a tuple for each of its Networks."""
        parts = ((part,) if isinstance(part, MixingSpectrum) else part for part in self.spectra)
        return list(itertools.chain.from_iterable(parts))

    @property
    def diameter(self) -> Tensor:  # type: ignore[override]  # an attribute of Communication
        return self._extents[:, :1]

    @property
    def radius(self) -> Tensor:  # type: ignore[override]  # an attribute of Communication
        return self._extents[:, 1:]

    @cached_property
    def _extents(self) -> Tensor:
        """Diameter and radius, ``(G, 2)``."""
        found = [extents(links, size) for links, size in self._graphs(self.link_index)]
        return torch.tensor(found, device=self.batch.device)

    def _graphs(self, index: Tensor) -> Iterator[tuple[np.ndarray, int]]:
        """Yield the edges of every graph, ``(., 2)``, of all ``(2, .)``, its nodes numbered from 0, and how many."""
        sizes = torch.bincount(self.batch)
        before = sizes.cumsum(0) - sizes
        edges = (index - before[self.batch[index[:1]]]).t().cpu().numpy()
        graph = self.batch[index[0]].cpu().numpy()
        ends = np.searchsorted(graph, np.arange(self.num_graphs + 1))
        for (low, high), size in zip(itertools.pairwise(ends), sizes.tolist(), strict=True):
            yield edges[low:high], size

    def is_copies_of(self, links: Sequence[tuple[int, int]], num_nodes: int) -> bool:
        """Tell whether every graph is the one with these ascending links i < j on ``num_nodes`` nodes."""
        shifts = torch.arange(self.num_graphs) * num_nodes
        own = torch.tensor(links, dtype=torch.long).reshape(-1, 2).t()
        expected = (own.unsqueeze(1) + shifts.reshape(1, -1, 1)).flatten(1)
        return torch.equal(self.link_index.cpu(), expected) and self.num_nodes == self.num_graphs * num_nodes

    def with_faults(self, faults: Faults | str) -> FaultyNetwork:
        """Return a copy whose links and nodes have faults, for one run.

        Args:
            faults: a :class:`.Faults`, or what :meth:`.Faults.parse` reads, ``"drop=0.1,sleep=0.05"``.

        Raises:
            InputError: they cannot be read, or name a link that is not there.
        """
        from gnn_l2o.graph.faults.network import FaultyNetwork  # which is a Network

        return FaultyNetwork.of(self, faults)

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
