"""The hypercube."""

import networkx as nx

from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.generators import numbered, require_nodes


def generate(nodes: int, *, seed: int = 0) -> nx.Graph:
    """Hypercube: nodes are joined if their numbers differ in one binary digit.

    Degree log2 N; spectral gap 2 / (1 + log2 N). N is a power of two.
    """
    require_nodes("a hypercube", nodes, minimum=1)
    dimensions = nodes.bit_length() - 1
    if nodes != 2**dimensions:
        raise InputError(
            f"a hypercube needs a power of two as its number of nodes, such as {2**dimensions} or "
            f"{2 ** (dimensions + 1)}, got {nodes}"
        )
    return numbered(range(nodes), ((i, i ^ (1 << k)) for i in range(nodes) for k in range(dimensions)))
