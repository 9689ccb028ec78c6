"""The rectangular grid with periodic borders."""

import networkx as nx

from gnn_l2o.graph.generators import numbered, require_nodes, rows_and_columns


def generate(nodes: int, *, seed: int = 0, rows: int | None = None) -> nx.Graph:
    """Torus: a grid whose left and right, upper and lower borders are joined.

    Degree 4; spectral gap of order 1/N where the rectangle is near to a square. With two rows the edges up and down
    coincide (degree 3), and a single row is a ring. Needs 3 nodes.

    Args:
        nodes: N; a prime number only fills a single row.
        seed: not used.
        rows: of the rectangle, a divisor of N; by default the one that comes nearest to a square.
    """
    require_nodes("a torus", nodes, minimum=3)
    rectangle = nx.grid_2d_graph(*rows_and_columns("a torus", nodes, rows), periodic=True)
    return numbered(sorted(rectangle), rectangle.edges)
