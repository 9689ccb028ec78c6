"""The ring."""

import networkx as nx

from gnn_l2o.graph.generators import require_nodes


def generate(nodes: int, *, seed: int = 0) -> nx.Graph:
    """Ring: node i is joined to i - 1 and i + 1, modulo N.

    Degree 2; spectral gap of order 1/N^2. Needs 3 nodes.
    """
    require_nodes("a ring", nodes, minimum=3)
    return nx.cycle_graph(nodes)
