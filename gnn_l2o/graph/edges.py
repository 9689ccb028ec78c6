"""Checks of edge lists, and how directed edges and undirected links correspond."""

from __future__ import annotations

import networkx as nx
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


def numbered_edges(graph: nx.Graph) -> tuple[list[tuple[int, int]], int]:
    """Return the edges of a graph, its nodes numbered in the order in which it lists them, and the number of nodes.

    Raises:
        InputError: it is a multigraph.
    """
    if graph.is_multigraph():
        kind = "DiGraph" if graph.is_directed() else "Graph"
        raise InputError(f"the graph is a multigraph; expected at most one edge between two nodes (nx.{kind}(graph))")
    number = {node: k for k, node in enumerate(graph.nodes)}
    return [(number[u], number[v]) for u, v in graph.edges], len(number)


def check_edges(edges: np.ndarray, num_nodes: int, *, directed: bool = False) -> None:
    """Check that edges make a simple graph that is connected, if directed strongly.

    Args:
        edges: ``(E, 2)``; of undirected ones the smaller end first, of directed ones the sender.
        num_nodes: N.
        directed: whether they are.

    Raises:
        InputError: there are no nodes, an end is no node, a self-loop, an edge given twice, or a graph not connected.
    """
    if num_nodes < 1:
        raise InputError("the graph has no nodes; expected at least one")
    if edges.size and (edges.min() < 0 or edges.max() >= num_nodes):
        bad = edges[(edges.min(1) < 0) | (edges.max(1) >= num_nodes)][0]
        raise InputError(f"edge ({bad[0]}, {bad[1]}) names a node outside 0..{num_nodes - 1}")
    loops = edges[edges[:, 0] == edges[:, 1]]
    if loops.size:
        raise InputError(
            f"node {loops[0, 0]} has a self-loop; expected none (a node's own weight is w_ii, not an edge)"
        )
    ascending = edges[np.lexsort((edges[:, 1], edges[:, 0]))]
    repeated = (ascending[1:] == ascending[:-1]).all(axis=1)
    if repeated.any():
        i, j = ascending[1:][repeated][0]
        kind = "directed" if directed else "undirected"
        raise InputError(f"edge ({i}, {j}) is given more than once; expected each {kind} edge once")
    rows, columns = edges.T.astype(np.int32)  # the indices that the searches of older scipy take
    adjacency = scipy.sparse.coo_array((np.ones(len(edges)), (rows, columns)), shape=(num_nodes, num_nodes))
    parts = connected_components(adjacency, directed=directed, connection="strong", return_labels=False)
    if parts > 1 and directed:
        raise InputError(f"the graph falls into {parts} strongly connected parts; expected a strongly connected one")
    if parts > 1:
        raise InputError(f"the graph falls into {parts} parts; expected a connected one")
