"""The static exponential graph."""

import networkx as nx

from gnn_l2o.graph.generators import numbered, require_nodes


def generate(nodes: int, *, seed: int = 0) -> nx.Graph:
    """Exponential: node i is joined to i - 2^k and i + 2^k, modulo N, for every 2^k < N.

    Degree about 2 log2 N, the same at every node; spectral gap of order 1/log N. The undirected form of the static
    exponential graph (Ying et al. 2021, arXiv:2110.13363). Any number of nodes.
    """
    require_nodes("an exponential graph", nodes, minimum=1)
    offsets = [2**k for k in range((nodes - 1).bit_length())]
    return numbered(range(nodes), ((i, (i + offset) % nodes) for i in range(nodes) for offset in offsets))
