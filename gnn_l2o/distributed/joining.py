"""How processes that are one node each become a network."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import torch

from gnn_l2o._utils.errors import InputError
from gnn_l2o.distributed.network import DistributedNetwork
from gnn_l2o.distributed.processes import Division, Processes
from gnn_l2o.graph.convert import as_network
from gnn_l2o.graph.discovery import FoundFacts, find_extents, find_spectrum
from gnn_l2o.graph.network import Network


def join(processes: Processes, network: Any) -> DistributedNetwork:
    """Return the network of which this process is one node, node k in process k.

    Diameter and spectrum are found by messages between neighbours, which are counted as set-up.

    Args:
        processes: these.
        network: the same graph in every process, as :func:`~gnn_l2o.graph.convert.as_network` takes it; or the numbers
            of the neighbours of this process alone.

    Raises:
        InputError: processes have other graphs, or a graph of another number of nodes; or a process names a neighbour
            that does not name it.
    """
    if isinstance(network, list | tuple | set | range):
        whole = _from_neighbours(processes, network)
    else:
        whole = as_network(network)
        if whole.num_nodes != processes.count:
            raise InputError(
                f"a node a process: the network has {whole.num_nodes} nodes, got {processes.count} processes"
            )
        processes.agree(network=whole)
    own = torch.tensor([processes.rank])
    part = DistributedNetwork.part_of(whole, Division(processes, torch.arange(processes.count)))
    unknown = torch.full((1, 1), torch.nan)
    diameter, radius = find_extents(part, own)
    facts = FoundFacts(diameter, radius, unknown, unknown)
    part.whole = facts
    gap, smallest = find_spectrum(part, own)
    part.whole = dataclasses.replace(facts, spectral_gap=gap, min_eigenvalue=smallest)
    return part


def _from_neighbours(processes: Processes, neighbours: Iterable[int]) -> Network:
    """Return the graph from the neighbours that every process names."""
    row = torch.zeros(1, processes.count, dtype=torch.uint8)
    for neighbour in neighbours:
        if not 0 <= neighbour < processes.count or neighbour == processes.rank:
            expected = f"other processes, 0 to {processes.count - 1}"
            raise InputError(f"process {processes.rank} names the neighbour {neighbour}; expected {expected}")
        row[0, neighbour] = 1
    named = processes.concatenate(row, [1] * processes.count).bool()
    one_sided = (named & ~named.t()).nonzero()
    if len(one_sided):
        i, j = one_sided[0].tolist()
        raise InputError(f"process {i} names {j} as its neighbour, but {j} does not name {i}")
    return Network.from_edges([(i, j) for i, j in named.nonzero().tolist() if i < j], processes.count)
