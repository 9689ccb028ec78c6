"""The small-world graph: a ring with shortcuts."""

import networkx as nx

from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.generators import connected, require_nodes, require_probability


def generate(nodes: int, *, seed: int = 0, k: int = 4, p: float = 0.2) -> nx.Graph:
    """Watts-Strogatz (random): a ring with edges to the k nearest nodes, each rewired with probability p.

    Degree k on average, N k / 2 edges; spectral gap of order (k/N)^2 for p = 0, which a few shortcuts
    increase to nearly that of a random graph (Watts, Strogatz 1998).

    Args:
        nodes: N > k.
        seed: of the draws; disconnected graphs are drawn again.
        k: even, at least 2.
        p: probability that one end of an edge is moved to a random node.
    """
    if k < 2 or k % 2:
        raise InputError(f"k neighbours are half on the left and half on the right, so k is 2, 4, 6, ..., got {k}")
    require_nodes(f"a Watts-Strogatz graph with k={k}", nodes, minimum=k + 1)
    require_probability("p", p)
    return connected(
        lambda s: nx.watts_strogatz_graph(nodes, k, p, seed=s),
        seed,
        advice=f"a larger k or a smaller p helps, got k={k}, p={p:g}",
    )
