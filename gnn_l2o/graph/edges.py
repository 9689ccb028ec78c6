"""Checks of edge lists, and how directed edges and undirected links correspond."""

from __future__ import annotations

import numpy as np
import scipy.sparse
import torch
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch_geometric.utils import coalesce, contains_self_loops, is_undirected

from gnn_l2o._utils.errors import InputError


def reverse_edges(edge_index: Tensor, num_nodes: int) -> Tensor:
    """Return the position of edge (i, j) for every edge (j, i): ``(2, E)`` to ``(E,)``.

    Raises:
        InputError: ``edge_index`` has another shape or type or names no node, or an edge lacks its reverse, is a
            self-loop, or is given more than once.
    """
    if edge_index.dim() != 2 or edge_index.size(0) != 2 or edge_index.dtype != torch.long:
        shape = f"({', '.join(map(str, edge_index.shape))})"
        raise InputError(f"edge_index must be (2, E) of torch.int64, got {shape} of {edge_index.dtype}")
    if edge_index.numel() and (edge_index.min() < 0 or edge_index.max() >= num_nodes):
        outside = edge_index[(edge_index < 0) | (edge_index >= num_nodes)]
        raise InputError(f"edge_index names node {int(outside[0])}, but nodes are 0 to {num_nodes - 1}")
    if contains_self_loops(edge_index):
        node = int(edge_index[0][edge_index[0] == edge_index[1]][0])
        raise InputError(
            f"edge_index has self-loops, the first at node {node}; expected none "
            "(torch_geometric.utils.remove_self_loops)"
        )
    if coalesce(edge_index, num_nodes=num_nodes).size(1) < edge_index.size(1):
        pairs, count = torch.unique(edge_index, dim=1, return_counts=True)
        j, i = pairs[:, count > 1][:, 0].tolist()
        raise InputError(f"edge_index holds edge {j}->{i} more than once (torch_geometric.utils.coalesce joins them)")
    if not is_undirected(edge_index, num_nodes=num_nodes):
        given = set(map(tuple, edge_index.t().tolist()))
        j, i = min(edge for edge in given if edge[::-1] not in given)
        raise InputError(
            f"edge_index holds edge {j}->{i} but not {i}->{j}; expected both directions "
            "(torch_geometric.utils.to_undirected makes it so)"
        )
    return reverse_positions(edge_index, num_nodes)


def reverse_positions(edge_index: Tensor, num_nodes: int) -> Tensor:
    """Return what :func:`reverse_edges` returns, for edges that are known to pass its checks."""
    source, target = edge_index
    by_source, by_target = torch.argsort(source * num_nodes + target), torch.argsort(target * num_nodes + source)
    return torch.empty_like(by_source).scatter_(0, by_source, by_target)


def links_of(edge_index: Tensor, reverse: Tensor) -> tuple[Tensor, Tensor]:
    """Return the links i < j of directed edges, ``(2, U)``, and the link of every edge, ``(E,)``.

    Args:
        edge_index: ``(2, E)``, every edge in both directions.
        reverse: see :func:`reverse_edges`.
    """
    forward = (edge_index[0] < edge_index[1]).nonzero().squeeze(1)
    numbers = torch.arange(forward.numel(), device=edge_index.device)
    edge_link = torch.empty_like(reverse)
    edge_link[forward] = numbers
    edge_link[reverse[forward]] = numbers
    return edge_index[:, forward], edge_link


def check_links(links: np.ndarray, num_nodes: int) -> None:
    """Check that undirected edges make a simple connected graph.

    Args:
        links: ``(U, 2)``, the smaller end first.
        num_nodes: N.

    Raises:
        InputError: there are no nodes, an end is no node, a self-loop, an edge given twice, or a disconnected graph.
    """
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
    ascending = links[np.lexsort((links[:, 1], links[:, 0]))]
    repeated = (ascending[1:] == ascending[:-1]).all(axis=1)
    if repeated.any():
        i, j = ascending[1:][repeated][0]
        raise InputError(f"edge ({i}, {j}) is given more than once; expected each undirected edge once")
    rows, columns = links.T.astype(np.int32)  # the indices that the searches of older scipy take
    adjacency = scipy.sparse.coo_array((np.ones(len(links)), (rows, columns)), shape=(num_nodes, num_nodes))
    parts = connected_components(adjacency, directed=False, return_labels=False)
    if parts > 1:
        raise InputError(f"the graph falls into {parts} parts; expected a connected one")
