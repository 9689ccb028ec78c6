"""Which process holds which nodes."""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.network import Network


def partition(network: Network, parts: int) -> Tensor:
    """Divide the nodes of a connected network into parts of about equal size with few edges between them.

    By METIS, where the package pymetis is installed; otherwise the nodes in the order of a breadth-first search are
    cut into equal parts.

    Args:
        network: one graph.
        parts: how many, at least 1.

    Returns:
        ``(N,)``, the part of every node, 0 to ``parts`` - 1; none is empty.

    Raises:
        InputError: there are more parts than nodes.
    """
    if parts > network.num_nodes:
        raise InputError(f"{parts} processes for {network.num_nodes} nodes; expected at least a node for each process")
    found = _by_metis(network, parts)
    return in_breadth_first_order(network, parts) if found is None else found


def in_breadth_first_order(network: Network, parts: int) -> Tensor:
    """Cut the nodes, in the order of a breadth-first search from node 0, into parts that differ by one node at most."""
    source, target = network.edge_index.numpy()
    shape = network.num_nodes, network.num_nodes
    order = breadth_first_order(coo_array((np.ones(len(source)), (source, target)), shape).tocsr(), 0)[0]
    owner = torch.empty(network.num_nodes, dtype=torch.long)
    owner[torch.from_numpy(order).long()] = torch.arange(network.num_nodes) * parts // network.num_nodes
    return owner


def _by_metis(network: Network, parts: int) -> Tensor | None:
    """Return the parts that METIS finds; ``None`` where it is not installed, or leaves a part empty."""
    try:
        import pymetis
    except ModuleNotFoundError:
        return None
    starts = torch.searchsorted(network.edge_index[1], torch.arange(network.num_nodes + 1))
    adjacency = pymetis.CSRAdjacency(starts.tolist(), network.edge_index[0].tolist())
    _, membership = pymetis.part_graph(parts, adjacency)
    owner = torch.tensor(membership)
    return owner if len(torch.unique(owner)) == parts else None
