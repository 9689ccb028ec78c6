"""The static exponential graph in its directed form."""

import networkx as nx

from gnn_l2o.graph.generators import numbered, require_nodes


def generate(nodes: int, *, seed: int = 0) -> nx.DiGraph:
    """Directed exponential: node i sends to i + 2^k, modulo N, for every 2^k < N.

    Out-degree about log2 N, the same at every node (Ying et al. 2021, arXiv:2110.13363). Any number of nodes.
    """
    require_nodes("a directed exponential graph", nodes, minimum=1)
    offsets = [2**k for k in range((nodes - 1).bit_length())]
    edges = ((i, (i + offset) % nodes) for i in range(nodes) for offset in offsets)
    return numbered(range(nodes), edges, directed=True)
