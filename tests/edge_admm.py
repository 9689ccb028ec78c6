"""Over-relaxed ADMM with variables of edges, written densely from the equations: an oracle."""

from collections.abc import Callable

import networkx as nx
import numpy as np

from gnn_l2o.problems import LeastSquares, Zero


def prox_of_loss(problem: LeastSquares, i: int, weight: np.ndarray, total: np.ndarray) -> np.ndarray:
    """argmin f_i + r + x' diag(weight) x / 2 - total' x, by many proximal gradient steps."""
    a, b = problem.features[i].numpy(), problem.targets[i].numpy()
    hessian, right = a.T @ a / len(b) + np.diag(weight), a.T @ b / len(b) + total
    if isinstance(problem.regularizer, Zero):
        return np.linalg.solve(hessian, right)
    x, step = np.zeros(len(right)), 1 / np.linalg.eigvalsh(hessian)[-1]
    for _ in range(400):
        v = x - step * (hessian @ x - right)
        x = np.sign(v) * np.maximum(np.abs(v) - step * problem.regularizer.weight, 0)
    return x


def with_edge_variables(
    problem: LeastSquares,
    graph: nx.Graph,
    penalty: Callable[[int, int], np.ndarray],
    alpha: float,
    x0: np.ndarray,
    count: int,
    arrives: Callable[[int, int, int], bool] = lambda k, i, j: True,
) -> list[np.ndarray]:
    """Over-relaxed ADMM with a variable for each end of an edge, z_ij at node i; penalty(i, j) is a vector.

    arrives(k, i, j) tells whether in round k the message of j arrives at i, which otherwise keeps z_ij.
    """
    z = {(i, j): penalty(i, j) * x0[i] for i in graph for j in graph[i]}
    x = []
    for k in range(count):
        now = np.stack(
            [
                prox_of_loss(problem, i, sum(penalty(i, j) for j in graph[i]), sum(z[i, j] for j in graph[i]))
                for i in sorted(graph)
            ]
        )
        received = {(i, j): z[j, i] - 2 * penalty(i, j) * now[j] for i, j in z if arrives(k, i, j)}
        z |= {(i, j): (1 - alpha) * z[i, j] - alpha * message for (i, j), message in received.items()}
        x.append(now)
    return x
