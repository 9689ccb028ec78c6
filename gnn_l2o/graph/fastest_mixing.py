"""The fastest mixing weights of a graph, by an interior-point method."""

import numpy as np
import scipy.linalg

from gnn_l2o._utils.errors import InputError

MAX_LINKS = 2000  # each of some hundred Newton steps factors a matrix of links x links
MIN_WEIGHT = 1e-6
GROWTH = 10.0  # of the barrier's parameter from one centering to the next
RIDGE = 1e-13  # keeps the scaled Hessian positive definite where many weights are optimal and rounding decides


def fastest_mixing(links: np.ndarray, num_nodes: int, start: np.ndarray, tolerance: float) -> np.ndarray:
    r"""Minimize the second largest eigenvalue modulus of W over the link weights (Boyd, Diaconis, Xiao 2004).

    The problem is the semidefinite program

    .. math::
        \min_{s, w} \; s \quad \text{subject to} \quad
        -s I \preceq I - \sum_l w_l a_l a_l^\top - \tfrac1N 1 1^\top \preceq s I, \quad
        w_l \ge \varepsilon, \quad \sum_{l \ni i} w_l \le 1,

    with :math:`a_l = e_i - e_j` for link l = {i, j}, by a barrier method (Boyd, Vandenberghe 2004, ch. 11). Its Hessian
    is cheap because the :math:`a_l a_l^\top` have rank one, as Xiao, Boyd 2004 show for linear averaging.

    The optimum may give a link no weight at all. A Network speaks over every link, so that each keeps at least
    :math:`\varepsilon = 10^{-6}`.

    Args:
        links: ``(U, 2)``, each undirected edge once; U <= 2000, since the work grows with the cube of it.
        num_nodes: N.
        start: ``(U,)``, weights strictly inside the constraints, such as Metropolis weights.
        tolerance: how far from the optimum s may be.

    Returns:
        ``(U,)``.

    Raises:
        InputError: there are too many links.
    """
    if len(links) > MAX_LINKS:
        raise InputError(
            f"fastest mixing weights are found for up to {MAX_LINKS} links, got {len(links)}; metropolis has no limit"
        )
    barrier = _Barrier(links, num_nodes)
    point = np.append(start, 2.0)  # all eigenvalues of W lie within 2, whatever the weights
    duality_gap = 1.0  # of a centered point: degree / sharpness
    while duality_gap > tolerance:
        duality_gap = max(duality_gap / GROWTH, tolerance)
        point = _center(barrier, point, sharpness=barrier.degree / duality_gap)
    return point[:-1]


def _center(barrier: "_Barrier", point: np.ndarray, sharpness: float) -> np.ndarray:
    """Minimize sharpness * s + barrier by Newton's method with backtracking (Boyd, Vandenberghe 2004, alg. 9.5)."""
    for _ in range(100):
        gradient, hessian = barrier.derivatives(point)
        gradient[-1] += sharpness
        step = -_solve(hessian, gradient)
        slope = float(gradient @ step)  # minus the square of the Newton decrement
        if slope > -1e-6:
            break
        here, length = barrier.value(point) + sharpness * point[-1], 1.0
        while barrier.value(trial := point + length * step) + sharpness * trial[-1] > here + 0.1 * length * slope:
            length /= 2
            if length < 1e-9:  # rounding hides further progress
                return point
        point = trial
    return point


def _solve(hessian: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    # Near the optimum the Hessian's entries differ by many orders of magnitude, for which its diagonal accounts.
    scale = 1 / np.sqrt(np.diag(hessian))
    scaled = scale[:, None] * hessian * scale + RIDGE * np.eye(len(scale))
    return scale * scipy.linalg.cho_solve(scipy.linalg.cho_factor(scaled), scale * gradient)


class _Barrier:
    """The logarithmic barrier of the constraints, at points (w_1, ..., w_U, s)."""

    def __init__(self, links: np.ndarray, num_nodes: int) -> None:
        self.links, self.num_nodes = links, num_nodes
        self.degree = 3 * num_nodes + len(links)  # twice N eigenvalues, U weights, N self-weights
        i, j = links.T
        self.ends = np.zeros((num_nodes, len(links)))  # which links end at a node
        self.ends[i, np.arange(len(links))] = self.ends[j, np.arange(len(links))] = 1.0

    def _matrices(self, point: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return W - 11'/N, and the slacks of the linear constraints: on the weights and on the self-weights."""
        weight = point[:-1]
        own = 1.0 - self.ends @ weight
        mixing = np.diag(own) - 1.0 / self.num_nodes
        i, j = self.links.T
        mixing[i, j] += weight
        mixing[j, i] += weight
        return mixing, weight - MIN_WEIGHT, own

    def value(self, point: np.ndarray) -> float:
        mixing, weight, own = self._matrices(point)
        eigenvalues = scipy.linalg.eigvalsh(mixing)
        slack = np.concatenate([point[-1] - eigenvalues, point[-1] + eigenvalues, weight, own])
        return float(-np.log(slack).sum()) if (slack > 0).all() else np.inf

    def derivatives(self, point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the gradient ``(U + 1,)`` and the Hessian ``(U + 1, U + 1)``."""
        mixing, weight, own = self._matrices(point)
        below = np.linalg.inv(point[-1] * np.eye(self.num_nodes) - mixing)
        above = np.linalg.inv(point[-1] * np.eye(self.num_nodes) + mixing)
        gradient, hessian = np.empty(len(point)), np.empty((len(point), len(point)))
        below_links, above_links = self._between_links(below), self._between_links(above)
        gradient[:-1] = np.diag(above_links) - np.diag(below_links) - 1 / weight + self.ends.T @ (1 / own)
        gradient[-1] = -np.trace(below) - np.trace(above)
        hessian[:-1, :-1] = below_links**2 + above_links**2 + (self.ends.T / own**2) @ self.ends
        hessian[:-1, :-1] += np.diag(1 / weight**2)
        i, j = self.links.T
        squares = np.sum((below[i] - below[j]) ** 2, axis=1) - np.sum((above[i] - above[j]) ** 2, axis=1)
        hessian[:-1, -1] = hessian[-1, :-1] = squares
        hessian[-1, -1] = np.sum(below**2) + np.sum(above**2)
        return gradient, hessian

    def _between_links(self, matrix: np.ndarray) -> np.ndarray:
        """Return a_l' M a_m for all links l and m, ``(U, U)``."""
        i, j = self.links.T
        half = matrix[i] - matrix[j]
        return half[:, i] - half[:, j]
