"""Mixing matrices W: symmetric, doubly stochastic, with a positive weight on every edge of the graph."""

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg

from gnn_l2o._utils.errors import unknown
from gnn_l2o.graph.fastest_mixing import fastest_mixing


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
    start_gap = spectral_gap(links, start, num_nodes)
    if start_gap > 1 - 1e-9:  # W averages exactly, as on complete graphs: the gap cannot grow
        return start
    found = fastest_mixing(links, num_nodes, start, tolerance=1e-5 * start_gap)
    return found if spectral_gap(links, found, num_nodes) > start_gap else start


def spectral_gap(links: np.ndarray, weight: np.ndarray, num_nodes: int) -> float:
    r"""Return :math:`1 - \max(|\lambda_2|, |\lambda_N|)`, the spectral gap of the mixing matrix.

    Args:
        links: ``(U, 2)``, each undirected edge once.
        weight: ``(U,)``, their mixing weights.
        num_nodes: N.
    """
    smallest, second_largest = extreme_eigenvalues(links, weight, num_nodes)
    return 1 - max(-smallest, second_largest)


def extreme_eigenvalues(links: np.ndarray, weight: np.ndarray, num_nodes: int) -> tuple[float, float]:
    r"""Return :math:`\min(\lambda_N, 0)` and :math:`\max(\lambda_2, 0)`, without the consensus' eigenvalue 1.

    Args:
        links: ``(U, 2)``, each undirected edge once.
        weight: ``(U,)``, their mixing weights.
        num_nodes: N.
    """
    i, j = links.T
    adjacency = scipy.sparse.coo_array((weight, (i, j)), shape=(num_nodes, num_nodes)).tocsr()
    adjacency = adjacency + adjacency.T
    own = 1.0 - np.asarray(adjacency.sum(axis=1)).ravel()
    # W - 11'/N: the consensus gets the eigenvalue 0, and all others stay.
    if num_nodes <= 1000:  # where LAPACK is quicker than Lanczos, which is slow on the small gaps of sparse graphs
        values = scipy.linalg.eigvalsh(adjacency.toarray() + np.diag(own) - 1.0 / num_nodes)
    else:
        operator = scipy.sparse.linalg.LinearOperator(
            (num_nodes, num_nodes), matvec=lambda x: adjacency @ x + own * x - x.mean(), dtype=np.float64
        )
        start = np.random.default_rng(0).standard_normal(num_nodes)
        values = scipy.sparse.linalg.eigsh(operator, k=2, which="BE", ncv=100, v0=start, return_eigenvectors=False)
    return min(float(values.min()), 0.0), max(float(values.max()), 0.0)


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
