"""The complete graph."""

import networkx as nx

from gnn_l2o.graph.generators import require_memory_for_edges, require_nodes


def generate(nodes: int, *, seed: int = 0) -> nx.Graph:
    """Complete: every two nodes are joined, so that one exchange averages exactly.

    Degree N - 1, N (N - 1) / 2 edges; spectral gap 1. Any number of nodes.
    """
    require_nodes("a complete graph", nodes, minimum=1)
    require_memory_for_edges("a complete graph", nodes * (nodes - 1) / 2)
    return nx.complete_graph(nodes)
