"""The two eigenvalues of a mixing matrix that decide how fast it averages and which step sizes are stable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg
from threadpoolctl import threadpool_limits

DENSE = 1000
"""Nodes up to which LAPACK finds all eigenvalues to the last digits, quicker than Lanczos' method finds two."""
TOLERANCE = 1e-3
"""Relative accuracy in larger graphs."""
RESTARTS = 100
"""Of Lanczos' method, with ten products each. They suffice unless eigenvalues crowd at the end of the spectrum."""


@dataclass(frozen=True, eq=False)
class MixingSpectrum:
    r"""Spectral gap and smallest eigenvalue of the mixing matrix of one graph, found when they are first read.

    They are exact for up to 1,000 nodes. In larger graphs they are lower bounds:
    :math:`1 - \max(|\lambda_2|, |\lambda_N|)` and :math:`1 + \lambda_N` are at most a thousandth larger. This is the
    safe side for all that rely on them: Chebyshev polynomials in W, momentum, and dual step sizes and mixing weights in
    units of :math:`1 / (1 - \lambda_N)` are stable for every matrix whose eigenvalues lie within the bounds, and a
    bound too low only costs speed.

    Attributes:
        links: ``(U, 2)``, each undirected edge once.
        weight: ``(U,)``, their mixing weights.
        num_nodes: N.
    """

    links: np.ndarray
    weight: np.ndarray
    num_nodes: int

    @property
    def spectral_gap(self) -> float:
        r""":math:`1 - \max(|\lambda_2|, |\lambda_N|)`."""
        smallest, second_largest = self._extremes
        return 1 - max(-smallest, second_largest)

    @property
    def min_eigenvalue(self) -> float:
        r""":math:`\min(\lambda_N, 0)`."""
        return self._extremes[0]

    @cached_property
    def _extremes(self) -> tuple[float, float]:
        r""":math:`\min(\lambda_N, 0)` and :math:`\max(\lambda_2, 0)`, without the consensus' eigenvalue 1."""
        # On busy cores, the threads of BLAS wait for each other many times longer than one of them computes.
        with threadpool_limits(1, user_api="blas"):
            return self._by_lapack() if self.num_nodes <= DENSE else self._by_lanczos()

    def _by_lapack(self) -> tuple[float, float]:
        adjacency, own = self._adjacency()
        # W - 11'/N: the consensus gets the eigenvalue 0, and all others stay.
        values = scipy.linalg.eigvalsh(adjacency.toarray() + np.diag(own) - 1.0 / self.num_nodes)
        return min(float(values.min()), 0.0), max(float(values.max()), 0.0)

    def _by_lanczos(self) -> tuple[float, float]:
        adjacency, own = self._adjacency()
        # Relative accuracy of 1 - lambda_2 and of 1 + lambda_N: these are the smallest eigenvalues of I - W and I + W.
        gap = _smallest_eigenvalue((scipy.sparse.diags_array(1.0 - own) - adjacency).tocsr(), consensus=True)
        rest = _smallest_eigenvalue((scipy.sparse.diags_array(1.0 + own) + adjacency).tocsr(), consensus=False)
        return min(rest - 1.0, 0.0), max(1.0 - gap, 0.0)

    def _adjacency(self) -> tuple[scipy.sparse.csr_array, np.ndarray]:
        """W without its diagonal, and the diagonal."""
        i, j = self.links.T
        adjacency = scipy.sparse.coo_array((self.weight, (i, j)), shape=(self.num_nodes, self.num_nodes)).tocsr()
        adjacency = adjacency + adjacency.T
        return adjacency, 1.0 - np.asarray(adjacency.sum(axis=1)).ravel()


def _smallest_eigenvalue(matrix: scipy.sparse.csr_array, *, consensus: bool) -> float:
    """Return a lower bound of the smallest eigenvalue of a positive semidefinite matrix, to :data:`TOLERANCE`.

    Args:
        matrix: ``(N, N)``, sparse, symmetric.
        consensus: whether the matrix maps (1, ..., 1) to 0; that eigenvalue is left out.
    """

    def product(x: np.ndarray) -> np.ndarray:
        return matrix @ x + consensus * x.mean()  # the consensus gets the eigenvalue 1, and all others stay

    # The value found is a Rayleigh quotient, so no smaller than the eigenvalue, and within a residual of it.
    try:
        return (1 - TOLERANCE) * _extreme(product, matrix.shape[0], "SA")
    except scipy.sparse.linalg.ArpackNoConvergence:
        return 1 / ((1 + TOLERANCE) * _extreme(_inverse(matrix, consensus=consensus), matrix.shape[0], "LA"))


def _extreme(product: Callable[[np.ndarray], np.ndarray], size: int, end: Literal["SA", "LA"]) -> float:
    """Return the smallest or the largest eigenvalue of a symmetric map, up to a residual of TOLERANCE times itself."""
    operator = scipy.sparse.linalg.LinearOperator((size, size), matvec=product, dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(size)
    found = scipy.sparse.linalg.eigsh(
        operator, k=1, which=end, v0=start, tol=TOLERANCE, maxiter=RESTARTS, return_eigenvectors=False
    )
    return float(found[0])


def _inverse(matrix: scipy.sparse.csr_array, *, consensus: bool) -> Callable[[np.ndarray], np.ndarray]:
    """Return the map of the inverse, or of the pseudo-inverse if the matrix maps (1, ..., 1) to 0.

    Graphs on which Lanczos' method is slow, such as rings, trees and grids, have small separators, so that elimination
    fills in little.
    """
    regular = matrix[1:, 1:] if consensus else matrix  # the value of node 0 may be fixed at 0
    factors = scipy.sparse.linalg.splu(
        regular.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
    )

    def product(x: np.ndarray) -> np.ndarray:
        if not consensus:
            return factors.solve(x)
        solution = np.append(0.0, factors.solve((x - x.mean())[1:]))
        return solution - solution.mean()

    return product
