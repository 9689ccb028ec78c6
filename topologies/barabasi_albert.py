"""The scale-free graph that grows by preferential attachment."""

import networkx as nx

from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.generators import require_nodes


def generate(nodes: int, *, seed: int = 0, m: int = 2) -> nx.Graph:
    """Barabasi-Albert (random): each new node is joined to m earlier ones, preferring those with many neighbours.

    Degree about 2 m on average, of order N^(1/2) in the hubs, where Metropolis weights are small, and so is the
    spectral gap: about 0.05 at 100 nodes, 0.025 at 1,000. Always connected (Barabasi, Albert 1999).

    Args:
        nodes: N > m.
        seed: of the draw.
        m: edges of a new node, at least 1; with 1 the graph is a tree.
    """
    if m < 1:
        raise InputError(f"m counts the edges of a new node, so it is at least 1, got {m}")
    require_nodes(f"a Barabasi-Albert graph with m={m}", nodes, minimum=m + 1)
    return nx.barabasi_albert_graph(nodes, m, seed=seed)
