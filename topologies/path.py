"""The path."""

import networkx as nx

from gnn_l2o.graph.generators import require_nodes


def generate(nodes: int, *, seed: int = 0) -> nx.Graph:
    """Path: node i is joined to i + 1.

    Degree 2, at the two ends 1; spectral gap of order 1/N^2. Any number of nodes, 1 is the centralized case.
    """
    require_nodes("a path", nodes, minimum=1)
    return nx.path_graph(nodes)
