"""Mixing matrices W: symmetric, doubly stochastic, with a positive weight on every edge of the graph."""

import numpy as np

from gnn_l2o._utils.errors import unknown
from gnn_l2o.graph.fastest_mixing import fastest_mixing
from gnn_l2o.graph.spectrum import MixingSpectrum


def metropolis(links: np.ndarray, num_nodes: int) -> np.ndarray:
    r"""Metropolis-Hastings weights :math:`w_{ij} = 1 / (1 + \max(\deg i, \deg j))` (Xiao, Boyd, Lall 2005).

    A degree counts a node's neighbours, not the node itself. :math:`w_{ii} > 0`, so :math:`\lambda_N > -1`.
    """
    degree = np.bincount(links.ravel(), minlength=num_nodes)
    return 1.0 / (1.0 + degree[links].max(axis=1, initial=0))


def lazy(links: np.ndarray, num_nodes: int) -> np.ndarray:
    r"""Weights of :math:`\frac12 (I + W)`, W by Metropolis: no negative eigenvalues, as some methods' proofs ask."""
    return metropolis(links, num_nodes) / 2


def max_degree(links: np.ndarray, num_nodes: int) -> np.ndarray:
    r"""The same weight :math:`w_{ij} = 1 / (1 + \max_k \deg k)` on every link.

    The 1 keeps :math:`w_{ii} > 0`; without it an even ring would have :math:`\lambda_N = -1` and never mix.
    """
    degree = np.bincount(links.ravel(), minlength=num_nodes)
    return np.full(len(links), 1.0 / (1.0 + degree.max()))


def fastest(links: np.ndarray, num_nodes: int) -> np.ndarray:
    """Weights with the largest spectral gap there is, to five digits (Boyd, Diaconis, Xiao 2004).

    Unlike the others they take a computation that sees the whole graph, see :func:`.fastest_mixing`. A link that the
    optimum would not use keeps a weight of at least 1e-6.

    Raises:
        InputError: the graph has too many links for the computation.
    """
    start = metropolis(links, num_nodes)
    start_gap = MixingSpectrum(links, start, num_nodes).spectral_gap
    if start_gap > 1 - 1e-9:  # W averages exactly, as on complete graphs: the gap cannot grow
        return start
    found = fastest_mixing(links, num_nodes, start, tolerance=1e-5 * start_gap)
    return found if MixingSpectrum(links, found, num_nodes).spectral_gap > start_gap else start


MIXING = {"metropolis": metropolis, "lazy": lazy, "max_degree": max_degree, "fastest": fastest}


def mixing_weights(name: str, links: np.ndarray, num_nodes: int) -> np.ndarray:
    """Return the weights of the links by the rule called ``name``.

    Args:
        name: a key of :data:`MIXING`.
        links: ``(U, 2)``, each undirected edge once.
        num_nodes: N.

    Returns:
        ``(U,)``, float64.

    Raises:
        InputError: there is no such rule.
    """
    if name not in MIXING:
        raise unknown("mixing", name, MIXING)
    return MIXING[name](links, num_nodes)
