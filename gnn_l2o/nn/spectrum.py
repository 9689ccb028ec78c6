"""The spectra of the graphs in an ``edge_index``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph
import torch
from torch import Tensor

from gnn_l2o.graph.edges import links_of, reverse_edges
from gnn_l2o.graph.mixing import metropolis
from gnn_l2o.graph.spectrum import MixingSpectrum


class Spectrum(NamedTuple):
    r"""What layers know of the mixing matrix, with Metropolis weights, of the connected component of every node.

    Shape:
        - **spectral_gap**: ``(N, 1)``, :math:`1 - \max(|\lambda_2|, |\lambda_N|)`; 1 for a node alone
        - **min_eigenvalue**: ``(N, 1)``, :math:`\lambda_N`, or 0 if that is positive
    """

    spectral_gap: Tensor
    min_eigenvalue: Tensor


def graph_spectrum(edge_index: Tensor, num_nodes: int) -> Spectrum:
    """Return the spectrum of a graph or of all graphs of a batch, in float64.

    Layers that need it compute it by themselves; on a large graph that is used again and again, compute it once.

    Args:
        edge_index: ``(2, E)``, every edge in both directions.
        num_nodes: N, of all graphs together.

    Raises:
        InputError: an edge lacks its reverse, is given twice, or is a self-loop.
    """
    links = links_of(edge_index, reverse_edges(edge_index, num_nodes))[0].t().cpu().numpy()
    weight = metropolis(links, num_nodes)
    component = components(edge_index, num_nodes).cpu().numpy()
    order = np.argsort(component, kind="stable")
    sizes = np.bincount(component, minlength=1)
    position = np.empty(num_nodes, dtype=np.int64)  # of a node in its component
    position[order] = np.arange(num_nodes) - np.repeat(sizes.cumsum() - sizes, sizes)
    values = np.tile([[1.0, 0.0]], (len(sizes), 1))
    for k in np.flatnonzero(sizes > 1):
        own = component[links[:, 0]] == k
        spectrum = MixingSpectrum(position[links[own]], weight[own], int(sizes[k]))
        values[k] = spectrum.spectral_gap, spectrum.min_eigenvalue
    of_nodes = torch.from_numpy(values[component]).to(edge_index.device)
    return Spectrum(of_nodes[:, :1], of_nodes[:, 1:])


def components(edge_index: Tensor, num_nodes: int) -> Tensor:
    """Return the number of every node's connected component, from 0: ``(N,)``."""
    j, i = edge_index.int().cpu().numpy()  # scipy 1.11 finds no components of graphs with longer indices
    graph = scipy.sparse.coo_array((np.ones(len(i)), (i, j)), shape=(num_nodes, num_nodes))
    found = scipy.sparse.csgraph.connected_components(graph, directed=False)[1]
    return torch.from_numpy(found.astype(np.int64)).to(edge_index.device)
