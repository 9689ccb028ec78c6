"""A random graph whose nodes all have the same degree."""

import networkx as nx

from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.generators import connected, require_nodes


def generate(nodes: int, *, seed: int = 0, degree: int = 4) -> nx.Graph:
    """Regular (random): every node has the same degree, and all such graphs are about equally likely.

    Spectral gap near (degree - 2 (degree - 1)^(1/2)) / (degree + 1), for every N; no graph with as few edges has a much
    larger one (Friedman 2003).

    Args:
        nodes: N > degree; even if the degree is odd.
        seed: of the draws; disconnected graphs, hardly ever seen from degree 3 on, are drawn again.
        degree: of every node.
    """
    if degree < 1:
        raise InputError(f"degree is at least 1, got {degree}")
    require_nodes(f"a regular graph of degree {degree}", nodes, minimum=degree + 1)
    if nodes * degree % 2:
        raise InputError(f"a regular graph of degree {degree} needs an even number of nodes, got {nodes}")
    return connected(
        lambda k: nx.random_regular_graph(degree, nodes, seed=k), seed, advice=f"take degree 3 or more, got {degree}"
    )
