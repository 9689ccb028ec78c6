"""A few hubs with leaves."""

import networkx as nx

from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.generators import require_nodes


def generate(nodes: int, *, seed: int = 0, hubs: int = 2) -> nx.Graph:
    """Hubs: the first nodes are joined to each other, and every other node is a leaf of one of them.

    Degree about N / hubs in a hub, 1 in a leaf; diameter 3; spectral gap near hubs^3 / N^2 (Metropolis weights) for
    two hubs or more, since a hub gives little weight to the others. This is the pattern of a few data centres with
    their clients; with one hub the graph is a star.

    Args:
        nodes: N, at least one leaf for each hub. Node i >= hubs is a leaf of node i modulo hubs.
        hubs: their number, at least 1.
    """
    if hubs < 1:
        raise InputError(f"hubs is at least 1, got {hubs}")
    require_nodes(f"a graph of {hubs} hubs with leaves", nodes, minimum=2 * hubs)
    graph = nx.complete_graph(hubs)
    graph.add_edges_from((leaf % hubs, leaf) for leaf in range(hubs, nodes))
    return graph
