"""The random directed graph G(N, p)."""

import math

import networkx as nx

from gnn_l2o.graph.generators import connected, require_memory_for_edges, require_nodes, require_probability


def generate(nodes: int, *, seed: int = 0, p: float | None = None) -> nx.DiGraph:
    """Directed Erdos-Renyi (random): every node sends to every other one with probability p, independently.

    Out-degree p (N - 1) on average, different from node to node, so that the push weights are not doubly stochastic.

    Args:
        nodes: N.
        seed: of the draws; graphs that are not strongly connected are drawn again.
        p: by default twice ln(N)/N, so that the graph is sparse and strongly connected at every size.
    """
    require_nodes("a directed Erdos-Renyi graph", nodes, minimum=1)
    threshold = min(1.0, math.log(nodes) / nodes)
    p = min(1.0, 2 * threshold) if p is None else p
    require_probability("p", p)
    require_memory_for_edges("a directed Erdos-Renyi graph", p * nodes**2)
    return connected(
        lambda k: nx.fast_gnp_random_graph(nodes, p, seed=k, directed=True),
        seed,
        advice=f"p should be above ln(N)/N = {threshold:.3g} for {nodes} nodes, got {p:g}",
    )
