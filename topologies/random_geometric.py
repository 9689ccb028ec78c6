"""The random geometric graph on the unit square."""

import math

import networkx as nx

from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.generators import connected, require_memory_for_edges, require_nodes


def generate(nodes: int, *, seed: int = 0, radius: float | None = None) -> nx.Graph:
    """Geometric (random): nodes are placed uniformly on the unit square and joined if closer than the radius.

    Degree about pi radius^2 N, less at the border; spectral gap of order radius^2. A model of wireless networks.

    Args:
        nodes: N.
        seed: of the draws; disconnected graphs are drawn again.
        radius: by default (2 ln(N) / (pi N))^(1/2), 2^(1/2) times the radius below which the graph is hardly ever
            connected (Penrose 1997).
    """
    require_nodes("a random geometric graph", nodes, minimum=1)
    threshold = math.sqrt(math.log(nodes) / (math.pi * nodes))
    radius = math.sqrt(2) * threshold if radius is None else radius
    if not radius >= 0:
        raise InputError(f"radius is a distance, so it is not negative, got {radius:g}")
    density = min(1.0, math.pi * radius**2)  # the share of pairs that are joined, border effects left out
    require_memory_for_edges("a random geometric graph", density * nodes**2 / 2)
    return connected(
        lambda k: nx.random_geometric_graph(nodes, radius, seed=k),
        seed,
        advice=f"radius should be above {threshold:.3g} for {nodes} nodes, got {radius:.3g}",
    )
