"""The values of neighbours that other processes hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gnn_l2o.distributed.processes import Division, Processes


@dataclass(frozen=True, eq=False)
class Halo:
    """What this process exchanges with others in a round: one packed message with each that holds neighbours.

    Attributes:
        processes: all of them.
        nodes: ``(H,)``, the numbers of the neighbours that other processes hold, by process, then number.
        send: by process, the positions of the own nodes that have neighbours there.
        receive: by process, the rows of ``nodes`` that it holds.
        send_edges: by process, the positions of the directed edges to own nodes from there, by link.
    """

    processes: Processes
    nodes: Tensor
    send: Mapping[int, Tensor]
    receive: Mapping[int, slice]
    send_edges: Mapping[int, Tensor]

    @classmethod
    def of(cls, division: Division, edge_index: Tensor, edge_link: Tensor) -> Halo:
        """Return the halo of this process's nodes in a graph that every process knows.

        Args:
            division: of the nodes.
            edge_index: of the whole graph, ``(2, E)``, sorted by receiver.
            edge_link: the link of every edge, ``(E,)``.
        """
        own = division.processes.rank
        sender, receiver = edge_index
        held = division.owner[receiver] == own
        crossing = held & (division.owner[sender] != own)
        there, here = sender[crossing], receiver[crossing]
        nodes = torch.unique(there)
        nodes = nodes[torch.argsort(division.owner[nodes], stable=True)]
        positions = (held.cumsum(0) - 1)[crossing]  # among the edges to own nodes
        send, receive, send_edges = {}, {}, {}
        for rank in torch.unique(division.owner[nodes]).tolist():
            with_it = division.owner[there] == rank
            send[rank] = torch.searchsorted(division.nodes, torch.unique(here[with_it]))
            rows = (division.owner[nodes] == rank).nonzero().squeeze(1)
            receive[rank] = slice(int(rows[0]), int(rows[-1]) + 1)
            send_edges[rank] = positions[with_it][torch.argsort(edge_link[crossing][with_it])]
        return cls(division.processes, nodes, send, receive, send_edges)

    def extend(self, values: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the values of the own nodes followed by those of the halo: each ``(n, k)`` to ``(n + H, k)``."""
        if not self.send:
            return values
        widths, count = [value.size(1) for value in values], len(values[0])
        extended = values[0].new_empty(count + len(self.nodes), sum(widths))
        packed = values[0] if len(values) == 1 else torch.cat(values, dim=1)
        arrived = extended[count:]
        self.processes.exchange(
            {rank: packed.index_select(0, rows) for rank, rows in self.send.items()},
            {rank: arrived[rows] for rank, rows in self.receive.items()},
            meanwhile=lambda: extended[:count].copy_(packed),
        )
        return torch.split(extended, widths, dim=1)

    def swap(self, value: Tensor, result: Tensor) -> Tensor:
        """Fill the rows of the edges from other processes with what those have for the opposite edges.

        Args:
            value: of the directed edges to own nodes, ``(E', k)``.
            result: where to write, likewise.
        """
        arrived = {rank: value.new_empty(len(rows), value.size(1)) for rank, rows in self.send_edges.items()}
        self.processes.exchange({rank: value.index_select(0, rows) for rank, rows in self.send_edges.items()}, arrived)
        for rank, rows in self.send_edges.items():
            result[rows] = arrived[rank]
        return result
