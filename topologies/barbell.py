"""Two cliques and a bridge between them."""

from itertools import combinations

import networkx as nx

from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.generators import require_memory_for_edges, require_nodes


def generate(nodes: int, *, seed: int = 0, bridge: int = 1) -> nx.Graph:
    """Barbell: two cliques joined by a path, over which all exchange between them has to go.

    Degree about N / 2 in the cliques, 2 on the bridge; spectral gap near 8/N^2 (Metropolis weights), since the ends of
    the bridge give it little weight, and smaller with longer bridges. The cliques are equal in size, or the first has
    one node more.

    Args:
        nodes: N, at least 2 in each clique besides those between them.
        bridge: the length of the path in edges, with bridge - 1 nodes between the cliques.
    """
    if bridge < 1:
        raise InputError(f"bridge is the length of a path, so it is at least 1, got {bridge}")
    require_nodes(f"a barbell with a bridge of length {bridge}", nodes, minimum=bridge + 3)
    require_memory_for_edges("a barbell", (nodes - bridge) ** 2 / 4)
    last = (nodes - bridge + 1) // 2
    # The edges of a path lie inside the cliques or form the bridge. Cliques of networkx.barbell_graph have one size.
    graph = nx.path_graph(nodes)
    graph.add_edges_from(combinations(range(nodes - bridge + 1 - last), 2))
    graph.add_edges_from(combinations(range(nodes - last, nodes), 2))
    return graph
