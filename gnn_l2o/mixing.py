"""Mixing matrices W: symmetric, doubly stochastic, with a positive weight on every edge of the graph."""

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg

from gnn_l2o.errors import unknown


def metropolis(links: np.ndarray, num_nodes: int) -> np.ndarray:
    r"""Metropolis-Hastings weights :math:`w_{ij} = 1 / (1 + \max(\deg i, \deg j))` (Xiao, Boyd, Lall 2005).

    A degree counts a node's neighbours, not the node itself. :math:`w_{ii} > 0`, so :math:`\lambda_N > -1`.
    """
    degree = np.bincount(links.ravel(), minlength=num_nodes)
    return 1.0 / (1.0 + degree[links].max(axis=1, initial=0))


def spectral_gap(links: np.ndarray, weight: np.ndarray, num_nodes: int) -> float:
    r"""Return :math:`1 - \max(|\lambda_2|, |\lambda_N|)`, the spectral gap of the mixing matrix.

    Args:
        links: ``(U, 2)``, each undirected edge once.
        weight: ``(U,)``, their mixing weights.
        num_nodes: N.
    """
    i, j = links.T
    adjacency = scipy.sparse.coo_array((weight, (i, j)), shape=(num_nodes, num_nodes)).tocsr()
    adjacency = adjacency + adjacency.T
    own = 1.0 - np.asarray(adjacency.sum(axis=1)).ravel()
    if num_nodes <= 64:  # where LAPACK is quicker than Lanczos, and Lanczos has no room for its basis
        dense = adjacency.toarray() + np.diag(own) - 1.0 / num_nodes
        return float(1 - np.abs(scipy.linalg.eigvalsh(dense)).max())

    def deflated(x: np.ndarray) -> np.ndarray:  # W - 11'/N: the eigenvalue 1 of the consensus becomes 0
        return adjacency @ x + own * x - x.mean()

    operator = scipy.sparse.linalg.LinearOperator((num_nodes, num_nodes), matvec=deflated, dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(num_nodes)
    value = scipy.sparse.linalg.eigsh(operator, k=1, which="LM", v0=start, return_eigenvectors=False)
    return float(1 - abs(value[0]))


MIXING = {"metropolis": metropolis}


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
