"""Distances in a graph: how many rounds information takes to reach all nodes."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import scipy.sparse
from scipy.sparse.csgraph import shortest_path

EXACT = 2000
"""Nodes up to which :func:`extents` searches from all of them, which takes half a second."""
MAX_SEARCHES = 300
"""Breadth-first searches after which it settles for bounds in larger graphs: one or two seconds for 10,000 nodes."""


class Extents(NamedTuple):
    """The largest and the smallest eccentricity of a graph's nodes; an eccentricity is the distance to the farthest."""

    diameter: int
    radius: int


def extents(links: np.ndarray, num_nodes: int) -> Extents:
    """Return diameter and radius of a connected graph.

    Both are exact up to 2,000 nodes. Larger graphs are searched from nodes whose eccentricity the searches so far leave
    most uncertain (Takes, Kosters 2011), which usually settles the diameter after a few; where 300 searches do not, as
    on a long ring, the diameter is an upper bound and the radius the smallest eccentricity that was found.

    Args:
        links: ``(U, 2)``, each undirected edge once.
        num_nodes: N.
    """
    return _extents(np.ascontiguousarray(links, dtype=np.int64).tobytes(), num_nodes)


def distances(links: np.ndarray, num_nodes: int) -> np.ndarray:
    """Return the distances between all nodes, ``(N, N)``, integers."""
    return _search(_adjacency(links, num_nodes), None).astype(np.int64)


def directed_diameter(edges: np.ndarray, num_nodes: int) -> int:
    """Return the largest distance from one node to another in a strongly connected graph, along its edges.

    It is exact up to 2,000 nodes. In larger graphs it is an upper bound, at most twice as large: the largest distance
    to node 0 and that from it together.

    Args:
        edges: ``(E, 2)``, the sender first.
        num_nodes: N.
    """
    return _directed_diameter(np.ascontiguousarray(edges, dtype=np.int64).tobytes(), num_nodes)


@lru_cache(maxsize=4096)  # batches hold many copies of few graphs
def _directed_diameter(edges: bytes, num_nodes: int) -> int:
    adjacency = _adjacency(np.frombuffer(edges, dtype=np.int64).reshape(-1, 2), num_nodes)
    if num_nodes <= EXACT:
        return int(_search(adjacency, None, directed=True).max())
    return int(sum(_search(a, [0], directed=True).max() for a in (adjacency, adjacency.T.tocsr())))


@lru_cache(maxsize=4096)  # batches hold many copies of few graphs
def _extents(links: bytes, num_nodes: int) -> Extents:
    adjacency = _adjacency(np.frombuffer(links, dtype=np.int64).reshape(-1, 2), num_nodes)
    if num_nodes <= EXACT:
        eccentricity = _search(adjacency, None).max(axis=1)
        return Extents(int(eccentricity.max()), int(eccentricity.min()))
    lower, upper = np.zeros(num_nodes), np.full(num_nodes, np.inf)
    found: list[float] = []
    for turn in range(MAX_SEARCHES):
        # A node matters while it may have a larger eccentricity than any found, or a smaller one.
        matters = (lower < upper) & ((upper > max(found, default=0)) | (lower < min(found, default=np.inf)))
        if not matters.any():
            break
        # Central nodes lower the upper bounds, remote ones raise the lower bounds.
        worth = np.where(matters, upper if turn % 2 else -lower, -np.inf)
        node = int(np.argmax(worth))
        distance = _search(adjacency, [node])[0]
        own = distance.max()
        found.append(own)
        lower = np.maximum(lower, np.maximum(distance, own - distance))
        upper = np.minimum(upper, own + distance)
    return Extents(int(upper.max()), int(min(found)))


def _adjacency(links: np.ndarray, num_nodes: int) -> scipy.sparse.csr_array:
    rows, columns = links.T.astype(np.int32)  # the indices that the searches of older scipy take
    return scipy.sparse.coo_array((np.ones(len(links)), (rows, columns)), shape=(num_nodes, num_nodes)).tocsr()


def _search(adjacency: scipy.sparse.csr_array, sources: list[int] | None, *, directed: bool = False) -> np.ndarray:
    return shortest_path(adjacency, method="D", directed=directed, unweighted=True, indices=sources)
