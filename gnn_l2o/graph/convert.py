"""Networks from whatever users have: a name or a graph of networkx."""

from __future__ import annotations

from typing import Any

import networkx as nx

from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.build import build_network
from gnn_l2o.graph.network import Network

ACCEPTED = "the name of a topology, a Network or a networkx graph"


def as_network(graph: Any, num_nodes: int) -> Network:
    """Return the network that a graph in any of the usual forms stands for.

    Args:
        graph: the name of a topology with its parameters, ``"erdos_renyi:p=0.3"``; a :class:`~gnn_l2o.Network`; or a
            graph of networkx, whose nodes are numbered in its order.
        num_nodes: how many nodes it must have.

    Raises:
        InputError: it is none of these, not undirected and connected, or has another number of nodes.
    """
    if isinstance(graph, str):
        network = build_network(graph, num_nodes)
    elif isinstance(graph, Network):
        network = graph
    elif isinstance(graph, nx.Graph):
        network = Network.from_networkx(graph)
    else:
        raise InputError(f"a network is {ACCEPTED}; got {type(graph).__name__}")
    if network.num_nodes != num_nodes:
        raise InputError(f"the network has {network.num_nodes} nodes, but there is data of {num_nodes}")
    return network
