"""The star."""

import networkx as nx

from gnn_l2o.graph.generators import require_nodes


def generate(nodes: int, *, seed: int = 0) -> nx.Graph:
    """Star: node 0 is joined to all others, which is the pattern of a parameter server.

    Degree N - 1 in the centre, 1 outside; spectral gap of order 1/N (Metropolis weights). Any number of nodes.
    """
    require_nodes("a star", nodes, minimum=1)
    return nx.star_graph(nodes - 1)
