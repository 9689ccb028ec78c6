"""The part of a communication graph that one process holds."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.distributed.halo import Halo
from gnn_l2o.distributed.processes import Division
from gnn_l2o.graph.faults import Faults
from gnn_l2o.graph.faults.links import FaultyLinks
from gnn_l2o.graph.faults.network import faulty
from gnn_l2o.graph.network import Network


class DistributedNetwork(Network):
    r"""The nodes of a network that this process holds, with all calls of :class:`~gnn_l2o.Network`.

    Every algorithm runs on it as on a Network, with the rows of the own nodes only. A link between two processes is a
    row at both. What nodes of different processes send to each other travels in one packed message a round for every
    pair of processes that share links; what stays inside a process is not sent. Minima and sums over the graph are
    reduced over the processes. :class:`~gnn_l2o.graph.traffic.Traffic` counts as in one process; ``division.processes``
    counts the bytes that were really sent.

    Nodes have local numbers: the own nodes in the order of their numbers in the whole graph, then those of the halo,
    the neighbours that other processes hold.

    Attributes:
        division: which process holds which nodes.
        halo: the neighbours of the own nodes that other processes hold.
        whole: what is known of the whole graph: the graph itself, or what nodes have found out (:class:`.FoundFacts`).
        kept_links: ``(U,)``, the numbers of the links in the whole graph.
        num_links: how many the whole graph has.

    Shape:
        As in :class:`~gnn_l2o.Network`, with N the own nodes, E the directed edges to them, U the links that end in
        one of them, and M = N + H ends, H of them of the halo.
    """

    @classmethod
    def part_of(cls, network: Network, division: Division) -> Self:
        """Return this process's part of a network that every process knows.

        Args:
            network: one graph.
            division: which process holds which nodes.

        Raises:
            InputError: several graphs side by side.
        """
        if network.num_graphs != 1:
            raise InputError(f"expected one graph, got {network.num_graphs} side by side")
        owner, rank, nodes = division.owner, division.processes.rank, division.nodes
        halo = Halo.of(division, network.edge_index, network.edge_link)
        local = torch.full((network.num_nodes,), -1)
        local[torch.cat([nodes, halo.nodes])] = torch.arange(len(nodes) + len(halo.nodes))
        kept_links = (owner[network.link_index] == rank).any(dim=0)
        kept_edges = owner[network.edge_index[1]] == rank
        link_position, edge_position = kept_links.cumsum(0) - 1, kept_edges.cumsum(0) - 1
        reverse = network.reverse[kept_edges]
        return cls(
            edge_index=local[network.edge_index[:, kept_edges]],
            reverse=torch.where(kept_edges[reverse], edge_position[reverse], 0),  # those of the halo are swapped
            link_index=local[network.link_index[:, kept_links]],
            edge_link=link_position[network.edge_link[kept_edges]],
            weight=network.weight[kept_links],
            batch=torch.zeros(len(nodes), dtype=torch.long),
            num_nodes=len(nodes),
            division=division,
            halo=halo,
            whole=network,
            kept_links=kept_links.nonzero().squeeze(1),
            num_links=network.link_index.size(1),
        )

    def with_faults(self, faults: Faults | str) -> FaultyDistributedNetwork:
        return FaultyDistributedNetwork.of(self, faults)

    @property
    def link_number(self) -> Tensor:
        return self.kept_links

    @property
    def node_number(self) -> Tensor:
        return torch.cat([self.division.nodes, self.halo.nodes])

    @property
    def totals(self) -> tuple[int, int]:
        return self.division.num_nodes, self.num_links

    def swap(self, value: Tensor) -> Tensor:
        return self.halo.swap(value, super().swap(value))

    def at_edges(self, value: Tensor, *, directed: bool = False) -> Tensor:
        rows = self.edge_index.size(1) if directed else self.link_index.size(1)
        return value[:1].expand(rows, -1)

    @property
    def num_ends(self) -> int:
        return len(self.batch) + len(self.halo.nodes)

    def _with_neighbours(self, *values: Tensor) -> tuple[Tensor, ...]:
        return self.halo.extend(values)

    def _own(self, values: Tensor) -> Tensor:
        return values[: len(self.batch)]

    def _largest(self, value: Tensor) -> Tensor:
        return self.division.max(super()._largest(value))

    def _total(self, value: Tensor) -> Tensor:
        return self.division.sum(super()._total(value))

    @property
    def num_graphs(self) -> int:  # type: ignore[override]  # an attribute of Communication
        return 1

    @property
    def _graph_sizes(self) -> Tensor:
        return torch.tensor([[self.division.num_nodes]])

    @property
    def _eigenvalues(self) -> Tensor:
        return torch.cat([self.whole.spectral_gap, self.whole.min_eigenvalue], dim=1).to(self.weight)

    @property
    def _extents(self) -> Tensor:
        return torch.cat([self.whole.diameter, self.whole.radius], dim=1)


class FaultyDistributedNetwork(FaultyLinks, DistributedNetwork):
    """A part of a network whose links and nodes have faults, the same in every process that draws them."""

    @classmethod
    def of(cls, network: DistributedNetwork, faults: Faults | str) -> Self:
        """Return a copy of a part with faults, see :meth:`.Network.with_faults`."""
        return faulty(cls, network, faults)
