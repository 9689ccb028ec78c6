"""Networks from whatever users have: a name, a graph of networkx, a matrix."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import scipy.sparse
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.build import build_network
from gnn_l2o.graph.network import Network

ACCEPTED = "the name of a topology, a Network, a networkx graph, or a square matrix"


def as_network(graph: Any, num_nodes: int | None = None) -> Network:
    """Return the network that a graph in any of the usual forms stands for.

    Args:
        graph: the name of a topology with its parameters, ``"erdos_renyi:p=0.3"``; a :class:`~gnn_l2o.Network`; a
            graph of networkx, whose nodes are numbered in its order; or a matrix of numpy, scipy.sparse or torch,
            ``(N, N)``: of zeros and ones, an adjacency matrix (with Metropolis weights), or else a mixing matrix.
        num_nodes: how many nodes it must have; may be left out where the graph says it.

    Raises:
        InputError: it is none of these, not undirected and connected, or has another number of nodes.
    """
    if isinstance(graph, str):
        network = build_network(graph, num_nodes)
    elif isinstance(graph, Network):
        network = graph
    elif isinstance(graph, nx.Graph):
        network = Network.from_networkx(graph)
    elif isinstance(graph, np.ndarray | Tensor) or scipy.sparse.issparse(graph):
        network = _from_matrix(graph)
    else:
        raise InputError(f"a network is {ACCEPTED}; got {type(graph).__name__}")
    if num_nodes is not None and network.num_nodes != num_nodes:
        raise InputError(f"the network has {network.num_nodes} nodes, but there is data of {num_nodes}")
    return network


def _from_matrix(graph: Any) -> Network:
    if isinstance(graph, Tensor):
        graph = graph.detach().to_dense().cpu().numpy()
    matrix = graph.toarray() if scipy.sparse.issparse(graph) else graph
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.dtype.kind not in "biuf":
        raise InputError(f"the matrix of a network is a square one of numbers, got {matrix.shape} of {matrix.dtype}")
    if not np.isin(matrix, (0, 1)).all():
        return Network.from_mixing_matrix(matrix)
    if (matrix != matrix.T).any():
        raise InputError("the adjacency matrix is not symmetric; expected that of an undirected graph")
    return Network.from_networkx(nx.from_numpy_array(matrix))
