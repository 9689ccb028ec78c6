"""The random graph G(N, p)."""

import math

import networkx as nx

from gnn_l2o.graph.generators import connected, require_memory_for_edges, require_nodes, require_probability


def generate(nodes: int, *, seed: int = 0, p: float | None = None) -> nx.Graph:
    """Erdos-Renyi (random): every two nodes are joined with probability p, independently.

    Degree p (N - 1) on average; spectral gap of order 1 where p is well above ln(N)/N, below which the graph is rarely
    connected.

    Args:
        nodes: N.
        seed: of the draws; disconnected graphs are drawn again.
        p: by default twice ln(N)/N, so that the graph is sparse and connected at every size.
    """
    require_nodes("an Erdos-Renyi graph", nodes, minimum=1)
    threshold = min(1.0, math.log(nodes) / nodes)
    p = min(1.0, 2 * threshold) if p is None else p
    require_probability("p", p)
    require_memory_for_edges("an Erdos-Renyi graph", p * nodes**2 / 2)
    return connected(
        lambda k: nx.fast_gnp_random_graph(nodes, p, seed=k),
        seed,
        advice=f"p should be above ln(N)/N = {threshold:.3g} for {nodes} nodes, got {p:g}",
    )
