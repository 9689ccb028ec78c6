"""The rectangular grid."""

import networkx as nx

from gnn_l2o.graph.generators import numbered, require_nodes, rows_and_columns


def generate(nodes: int, *, seed: int = 0, rows: int | None = None) -> nx.Graph:
    """Grid: nodes on a rectangle, each joined to those above, below, left and right of it.

    Degree 4, less at the border; spectral gap of order 1/N where the rectangle is near to a square.

    Args:
        nodes: N; a prime number only fills a single row, which is a path.
        seed: not used.
        rows: of the rectangle, a divisor of N; by default the one that comes nearest to a square.
    """
    require_nodes("a grid", nodes, minimum=1)
    rectangle = nx.grid_2d_graph(*rows_and_columns("a grid", nodes, rows))
    return numbered(sorted(rectangle), rectangle.edges)
