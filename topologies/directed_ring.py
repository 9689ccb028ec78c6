"""The directed ring."""

import networkx as nx

from gnn_l2o.graph.generators import require_nodes


def generate(nodes: int, *, seed: int = 0) -> nx.DiGraph:
    """Directed ring: node i sends to i + 1, modulo N.

    Out-degree 1, the least that a directed graph can have; information takes N - 1 rounds to reach all nodes. Needs 2
    nodes.
    """
    require_nodes("a directed ring", nodes, minimum=2)
    return nx.cycle_graph(nodes, create_using=nx.DiGraph)
