"""A balanced binary tree."""

import networkx as nx

from gnn_l2o.graph.generators import require_nodes


def generate(nodes: int, *, seed: int = 0) -> nx.Graph:
    """Binary tree: node i > 0 is joined to its parent (i - 1) // 2.

    Degree 3 inside, 1 at the leaves, N - 1 edges; spectral gap of order 1/N. Any number of nodes: the lowest level is
    filled from the left.
    """
    require_nodes("a binary tree", nodes, minimum=1)
    return nx.full_rary_tree(2, nodes)
