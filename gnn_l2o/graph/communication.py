"""Everything that nodes send to each other, and its count: the only place where nodes communicate."""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from gnn_l2o.graph.knowledge import Knowledge
from gnn_l2o.graph.traffic import Traffic


class Ends(NamedTuple):
    """Values at the two ends i and j of every row of edges, k numbers each."""

    own: Tensor  # (R, k), of node i
    other: Tensor  # (R, k), of node j, which node i received; v_i where it received nothing
    arrived: Tensor | None = None  # (R, 1), whether it received something; None: all did

    @property
    def difference(self) -> Tensor:
        """v_i - v_j, ``(R, k)``."""
        return self.own - self.other

    @property
    def mean(self) -> Tensor:
        """(v_i + v_j) / 2, ``(R, k)``."""
        return 0.5 * (self.own + self.other)

    def update(self, before: Tensor, after: Tensor) -> Tensor:
        """Return edge variables ``(R, k)``: ``after`` where something was received, elsewhere as they were before."""
        return after if self.arrived is None else torch.where(self.arrived, after, before)


class Communication(Knowledge):
    """The exchanges between the nodes of a :class:`~gnn_l2o.Network`.

    Shape:
        N nodes, E directed edges, U = E/2 links, R rows of edges (U or E), G graphs side by side, d coordinates, M ends
        of edges: the N nodes, unless some belong to other processes.
    """

    @cached_property
    def traffic(self) -> Traffic:
        """What was sent over this object since it was made."""
        return Traffic()

    def _count(self, vectors: int = 0, numbers: int = 0, *, rounds: int | None = None, setup: bool = False) -> None:
        """Count so many vectors and numbers across every edge, by default as a round for each vector, or one."""
        rounds = max(1, vectors) if rounds is None else rounds
        if setup:
            assert not vectors  # facts are numbers
            self.traffic.setup_rounds += rounds
            self.traffic.setup_numbers += numbers
        else:
            self.traffic.rounds += rounds
            self.traffic.vectors += vectors
            self.traffic.numbers += numbers

    def count_numbers(self, numbers: int) -> None:
        """Count numbers that travelled as further columns of vectors, whose rounds were counted with those."""
        self.traffic.numbers += numbers

    def count_setup(self, *, rounds: int, numbers: int) -> None:
        """Count exchanges before the first iteration that are simulated elsewhere."""
        self._count(numbers=numbers, rounds=rounds, setup=True)

    def neighbours(
        self, *vectors: Tensor, numbers: Tensor | None = None, directed: bool = False, setup: bool = False
    ) -> tuple[Ends, ...]:
        """Let every node send vectors and numbers to all its neighbours: a round a vector, one for numbers alone.

        Args:
            vectors: ``(N, d)`` each.
            numbers: ``(N, k)``, k single numbers that travel with the vectors.
            directed: which rows of edges.
            setup: whether these are facts that nodes tell each other before the first iteration, counted apart.

        Returns:
            For every vector, and last for the numbers, the values at both ends of every row.
        """
        values = vectors if numbers is None else (*vectors, numbers)
        self._count(len(vectors), 0 if numbers is None else numbers.size(1), setup=setup)
        i, j = self._ends(directed)
        values = self._with_neighbours(*values)
        return tuple(Ends(value.index_select(0, i), value.index_select(0, j)) for value in values)

    def differences(self, z: Tensor, *, directed: bool = False) -> Tensor:
        """Exchange z over every edge once: return z_i - z_j, ``(N, d)`` to ``(R, d)``."""
        return self.neighbours(z, directed=directed)[0].difference

    def collect(self, message: Tensor, *, directed: bool = False) -> Tensor:
        r"""Sum at every node the messages of its edges; no communication. Return ``(N, d)``.

        Args:
            message: directed, ``(E, d)``: edge (j, i) adds to receiver i. Otherwise ``(U, d)``, odd in the direction
                of the link, as :meth:`differences` and symmetric multiples of it are: link {i, j} with i < j adds to i
                and subtracts from j.
            directed: which rows of edges.
        """
        total = message.new_zeros(self.num_ends, message.size(1))
        if directed:
            return self._own(total.index_add_(0, self.edge_index[1], message))
        i, j = self.link_index
        return self._own(total.index_add_(0, i, message).index_add_(0, j, message, alpha=-1))

    def reduce(
        self, value: Tensor, how: Literal["sum", "amin", "amax"], *, empty: float, directed: bool = False
    ) -> Tensor:
        """Reduce at every node what both ends of its edges know; no communication: ``(R, d)`` to ``(N, d)``.

        Args:
            value: of every row of edges; of a link it counts at both ends.
            how: the reduction.
            empty: the result at nodes without edges.
            directed: which rows of edges.
        """
        if directed:
            rows = self.edge_index[1]
        else:
            rows, value = self.link_index.flatten(), torch.cat([value, value])
        like = value.new_full((self.num_ends, value.size(1)), empty)
        return self._own(like.scatter_reduce(0, rows.unsqueeze(1).expand_as(value), value, how, include_self=False))

    def swap(self, value: Tensor) -> Tensor:
        """Exchange a vector for each directed edge: ``(E, d)`` to ``(E, d)``; (j, i) gets what (i, j) had."""
        self._count(vectors=1)
        return value.index_select(0, self.reverse)

    def swap_ends(self, value: Tensor) -> Ends:
        """Exchange a vector for each directed edge as :meth:`swap` does; return what is sent and what is received."""
        return Ends(value, self.swap(value))

    def graph_min(self, value: Tensor, *, setup: bool = False) -> Tensor:
        """Return at every node the smallest number of its graph: ``(N, 1)`` to ``(N, 1)``.

        Nodes that pass on the smallest number they have received agree after as many rounds, of a number each, as the
        graph's diameter. Graphs side by side wait for the one with the largest.

        Args:
            value: a number of every node.
            setup: see :meth:`neighbours`.
        """
        exchanges = int(self.diameter.max())
        self._count(numbers=exchanges, rounds=exchanges, setup=setup)
        self.traffic.minima += not setup
        return self.at_nodes(-self._largest(-value))

    def graph_max(self, value: Tensor) -> Tensor:
        """Return at every node the largest number of its graph: ``(N, 1)`` to ``(N, 1)``.

        It is a fact about the graph that is flooded before the first iteration, with the others that an algorithm
        declares (:attr:`.Algorithm.setup_knowledge`), and is counted with them.

        Args:
            value: a number of every node, the same whenever this is called in a run.
        """
        return self.at_nodes(self._largest(value))

    def graph_mean(self, value: Tensor, *, more: int = 0, setup: bool = False) -> Tensor:
        """Return at every node the exact average over its graph: ``(N, d)`` to ``(N, d)``.

        Sums go up a breadth-first spanning tree whose root is a centre of the graph, and the average comes down: twice
        the radius in rounds, in which a vector crosses every edge of the tree in each direction. Further vectors
        follow at once, each a round later. Graphs side by side wait for the one with the largest radius.

        Args:
            value: a vector of every node.
            more: how many further vectors are averaged with it, by whoever calls; they are counted.
            setup: whether the values are numbers that are averaged before the first iteration, counted apart.
        """
        rounds = 2 * int(self.radius.max())
        if setup:
            self._count(numbers=rounds * value.size(1), rounds=rounds, setup=True)
        else:
            self._count(vectors=1 + more, rounds=rounds + more)
        return self.at_nodes(self._total(value) / self._graph_sizes)

    def wait(self, *, vectors: int = 0) -> None:
        """Let a round pass whose exchanges are simulated elsewhere.

        Args:
            vectors: how many they add to :attr:`Traffic.vectors`.
        """
        self._count(vectors=vectors, numbers=vectors, rounds=1)

    def mix(self, x: Tensor) -> Tensor:
        r"""Return W x, ``(N, d)``, in the robust form :math:`x_i - \sum_j w_{ij} (x_i - x_j)` (He et al. 2024, (35)).

        The rows of W sum to one however w_ij is rounded, so a consensus is left exactly as it is.
        """
        (flow,) = self.flows(self._laplacian.to(x.dtype), x)
        return x - flow

    def mix_with(self, x: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Return W x, ``(N, d)``, and W applied to k numbers of every node that travel with x, ``(N, k)``."""
        self._count(vectors=1, numbers=numbers.size(1))
        values, few = self._with_neighbours(x, numbers)
        laplacian = self._laplacian.to(x.dtype)
        return x - laplacian @ (values - self._origin(x)), numbers - laplacian @ (few - self._origin(numbers))

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
        self._count(vectors=1)
        (values,) = self._with_neighbours(z)
        if not self.edge_index.size(1):  # nodes alone, as in a batch of centralized problems
            return (torch.zeros_like(z),) * (laplacians.size(0) // self.num_nodes)
        return torch.split(laplacians @ (values - self._origin(z)), self.num_nodes)

    def _origin(self, z: Tensor) -> Tensor:
        """Return the row of the first node of every node's graph, one for all nodes where there is one graph."""
        return z[:1] if self.num_graphs == 1 else z.index_select(0, self._first_nodes)

    def laplacians(self, *weights: Tensor) -> Tensor:
        """Return the graph Laplacians for k weights ``(U, 1)`` of the links, one over the other: ``(k N, M)``, sparse.

        Applying them is twice as fast as summing over links, and more on dense graphs. No communication.
        """
        nodes = torch.arange(self.num_nodes, device=self.weight.device)
        source, target = self.edge_index
        values = torch.cat([torch.cat([-w[self.edge_link, 0], self._degree(w)]) for w in weights])
        rows = torch.cat([torch.cat([target, nodes]) + k * self.num_nodes for k in range(len(weights))])
        columns = torch.cat([source, nodes]).repeat(len(weights))
        index, shape = torch.stack([rows, columns]), (len(weights) * self.num_nodes, self.num_ends)
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
