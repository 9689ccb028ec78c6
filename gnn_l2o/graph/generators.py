"""What the generators in ``topologies/`` share: checks, and drawing graphs until one is connected."""

import math
from collections.abc import Callable, Hashable, Iterable

import networkx as nx
import numpy as np

from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.memory import require_memory

ATTEMPTS = 100  # draws of a disconnected graph before giving up
EDGE = 140  # bytes of an edge in a networkx graph, measured


def require_nodes(what: str, nodes: int, minimum: int) -> None:
    """Raise an :class:`InputError` if there are fewer than ``minimum`` nodes.

    Example:
        >>> require_nodes("a ring", 2, minimum=3)
        Traceback (most recent call last):
        gnn_l2o._utils.errors.InputError: a ring needs at least 3 nodes, got 2
    """
    if nodes < minimum:
        raise InputError(f"{what} needs at least {minimum} node{'s' if minimum > 1 else ''}, got {nodes}")


def require_memory_for_edges(what: str, edges: float) -> None:
    """Raise an :class:`InputError` if a graph of so many edges does not fit into memory."""
    require_memory(f"{what} of about {edges:.3g} edges", int(edges) * EDGE)


def require_probability(name: str, value: float) -> None:
    """Raise an :class:`InputError` if ``value`` does not lie between 0 and 1."""
    if not 0 <= value <= 1:
        raise InputError(f"{name} is a probability between 0 and 1, got {value:g}")


def rows_and_columns(what: str, nodes: int, rows: int | None) -> tuple[int, int]:
    """Return how ``nodes`` fill a rectangle: with so many rows, or by default as near to a square as they can.

    Raises:
        InputError: ``rows`` does not divide ``nodes``.
    """
    divisors = [k for k in range(1, nodes + 1) if nodes % k == 0]
    if rows is None:
        rows = max(k for k in divisors if k <= math.isqrt(nodes))
    if rows not in divisors:
        raise InputError(
            f"{what} of {nodes} nodes cannot have {rows} rows; rows may be {', '.join(map(str, divisors))}"
        )
    return rows, nodes // rows


def numbered(
    nodes: Iterable[Hashable], edges: Iterable[tuple[Hashable, Hashable]], *, directed: bool = False
) -> nx.Graph:
    """Return the simple graph on 0, 1, 2, ... in the order of ``nodes``; merges parallel edges, drops self-loops."""
    number = {node: k for k, node in enumerate(nodes)}
    graph = nx.empty_graph(len(number), create_using=nx.DiGraph if directed else nx.Graph)
    graph.add_edges_from((number[u], number[v]) for u, v in edges if u != v)
    return graph


def connected(draw: Callable[[int], nx.Graph], seed: int, *, advice: str) -> nx.Graph:
    """Return the first connected one of up to 100 random graphs, strongly connected if they are directed.

    Args:
        draw: returns the random graph of a seed; its nodes are 0, 1, 2, ...
        seed: from which the seeds of the attempts are derived.
        advice: what the user may change; the error message ends with this.

    Raises:
        InputError: none was connected, or the seed is negative.
    """
    if seed < 0:
        raise InputError(f"a seed is a whole number from 0 upwards, got {seed}")
    for attempt in np.random.SeedSequence(seed).generate_state(ATTEMPTS):
        graph = draw(int(attempt))
        directed = graph.is_directed()
        if nx.is_strongly_connected(graph) if directed else nx.is_connected(graph):
            return numbered(sorted(graph), graph.edges, directed=directed)
    raise InputError(f"none of {ATTEMPTS} random graphs was connected; {advice}")
