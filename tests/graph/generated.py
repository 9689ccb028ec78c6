"""Graphs as the files in topologies/ generate them."""

import networkx as nx

from gnn_l2o import plugins
from gnn_l2o.graph.build import has_own_size


def generate(spec: str, nodes: int | None = None, seed: int = 0) -> nx.Graph:
    plugin = plugins.load("topology", spec)
    return plugin(seed=seed) if has_own_size(plugin) else plugin(nodes, seed=seed)


def edges(graph: nx.Graph) -> set[tuple[int, int]]:
    return set(graph.edges) if graph.is_directed() else {(min(edge), max(edge)) for edge in graph.edges}
