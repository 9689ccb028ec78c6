"""A random tree."""

import networkx as nx

from gnn_l2o.graph.generators import require_nodes


def generate(nodes: int, *, seed: int = 0) -> nx.Graph:
    """Tree (random): all trees on N nodes are equally likely.

    Degree below 2 on average, N - 1 edges; diameter of order N^(1/2), spectral gap of order N^(-3/2). Any number of
    nodes.
    """
    require_nodes("a tree", nodes, minimum=1)
    return nx.random_labeled_tree(nodes, seed=seed)
