"""Directed graphs, two undirected ones, and the methods that push over both."""

import networkx as nx
import numpy as np
import pytest

from gnn_l2o.graph import DirectedNetwork, Network
from gnn_l2o.handcrafted import HANDCRAFTED

PUSHING = sorted(name for name, method in HANDCRAFTED.items() if method.directed)
FUNNEL = nx.empty_graph(4, nx.DiGraph)
FUNNEL.add_edges_from([(0, 3), (1, 3), (2, 3), (3, 0), (0, 1), (1, 2)])
DIGRAPHS = {
    "ring": nx.cycle_graph(5, create_using=nx.DiGraph),
    "random": nx.gnp_random_graph(8, 0.3, seed=25, directed=True),
    "funnel": FUNNEL,
}
GRAPHS = {**DIGRAPHS, "path": nx.path_graph(5), "star": nx.star_graph(4)}
BY_NAME = pytest.mark.parametrize("name", GRAPHS)


def network_of(name: str) -> Network:
    graph = GRAPHS[name]
    return DirectedNetwork.from_networkx(graph) if graph.is_directed() else Network.from_networkx(graph)


def column_stochastic(name: str) -> np.ndarray:
    """C of Nedic, Olshevsky, Shi 2017, Assumption 7: c_ij = 1 / (d_j + 1) where j sends to i, and for i = j."""
    graph = GRAPHS[name].to_directed()
    c = np.zeros((len(graph), len(graph)))
    for j in graph:
        for i in (j, *graph.successors(j)):
            c[i, j] = 1 / (graph.out_degree(j) + 1)
    return c
