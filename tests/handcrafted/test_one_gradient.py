"""Methods of one gradient a round, and Network-GIANT, against dense loops written from the papers' equations."""

from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.driver import run
from gnn_l2o.algorithms.tunable import Tunable
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import APAPC, DMBFGS, NIDS, OPAPC, NetworkGIANT, NIDSLocal
from gnn_l2o.handcrafted.dmbfgs import memoryless_bfgs
from gnn_l2o.problems import LeastSquares
from gnn_l2o.problems.regularizers import L1, Regularizer, Zero
from tests.handcrafted.dense import dense_gradient, metropolis

NODES, DIM = 7, 5
GRAPHS = {
    "ring": nx.cycle_graph(NODES),
    "star": nx.star_graph(NODES - 1),
    "complete": nx.complete_graph(NODES),
    "path": nx.path_graph(NODES),
}
ON_GRAPHS = pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS.keys())


def least_squares(regularizer: Regularizer | None = None, samples: int = 8) -> LeastSquares:
    random = np.random.default_rng(0)
    scale = np.linspace(0.5, 1.5, NODES).reshape(-1, 1, 1)  # so that the L_i differ
    features = scale * random.standard_normal((NODES, samples, DIM))
    targets = features @ random.standard_normal(DIM) + random.standard_normal((NODES, samples))
    return LeastSquares.from_nodes(list(features), list(targets), regularizer or Zero())


def hessians(problem: LeastSquares) -> np.ndarray:
    a = problem.features.numpy()
    return np.stack([a_i.T @ a_i / len(a_i) for a_i in a])


def expect_equal(method: Tunable[Any], problem: LeastSquares, graph: nx.Graph, expected: list[np.ndarray]) -> None:
    states = run(method, problem, Network.from_networkx(graph), torch.from_numpy(expected[0]))
    for x, y in zip(states, expected, strict=False):
        torch.testing.assert_close(x.x, torch.from_numpy(y), rtol=1e-9, atol=1e-9)


def initial() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((NODES, DIM))


def paper_papc(gossip, largest, g, x0, count, tau, eta, sigma):  # type: ignore[no-untyped-def]
    """Kovalev, Salim, Richtarik 2020 with alpha = 0, in the paper's names; theta = sigma / (eta lambda_max)."""
    theta = sigma / (eta * largest)
    x, x_f, y = [x0], x0, np.zeros_like(x0)
    for _ in range(count):
        x_g = tau * x[-1] + (1 - tau) * x_f
        half = x[-1] - eta * (g(x_g) + y)
        y = y + theta * gossip(half)
        x.append(x[-1] - eta * (g(x_g) + y))
        x_f = x_g + 2 * tau / (2 - tau) * (x[-1] - x[-2])
    return x


@ON_GRAPHS
def test_apapc_is_what_the_paper_prints(graph: nx.Graph) -> None:
    problem, tau = least_squares(), 0.4
    eta = 0.3 / float(problem.smoothness().max()) / tau
    disagreement = np.eye(NODES) - metropolis(graph)
    largest = 1 - min(0.0, np.linalg.eigvalsh(metropolis(graph))[0])
    expected = paper_papc(
        lambda v: disagreement @ v, largest, dense_gradient(problem), initial(), 30, tau=tau, eta=eta, sigma=0.9
    )
    expect_equal(APAPC(eta * tau, coupling=tau, dual_step=0.9), problem, graph, expected)


def chebyshev(matrix: np.ndarray, low: float, high: float, degree: int) -> np.ndarray:
    """I - T_K((I - c M) / rho) / T_K(1 / rho), by the eigenvalues of M and numpy's Chebyshev polynomials."""
    values, vectors = np.linalg.eigh(matrix)
    polynomial = np.polynomial.chebyshev.Chebyshev.basis(degree)
    c, rho = 2 / (high + low), (high - low) / (high + low)
    return (vectors * (1 - polynomial((1 - c * values) / rho) / polynomial(1 / rho))) @ vectors.T


@pytest.mark.parametrize("degree", [1, 2, 3, 5])
@pytest.mark.parametrize("name", ["ring", "star", "path"])
def test_opapc_is_apapc_with_a_chebyshev_polynomial(name: str, degree: int) -> None:
    graph, problem, tau = GRAPHS[name], least_squares(), 0.4
    eta = 0.3 / float(problem.smoothness().max()) / tau
    values = np.linalg.eigvalsh(metropolis(graph))
    low, high = 1 - max(abs(values[0]), values[-2]), 1 - min(values[0], 0.0)
    gossip = chebyshev(np.eye(NODES) - metropolis(graph), low, high, degree)
    kappa = high / low
    c_1 = (np.sqrt(kappa) - 1) / (np.sqrt(kappa) + 1)
    largest = (1 + c_1**degree) ** 2 / (1 + c_1 ** (2 * degree))  # the paper's bound, in c_1
    expected = paper_papc(
        lambda v: gossip @ v, largest, dense_gradient(problem), initial(), 20, tau=tau, eta=eta, sigma=0.9
    )
    expect_equal(OPAPC(eta * tau, coupling=tau, dual_step=0.9, mixings=degree), problem, graph, expected)


def test_one_mixing_of_opapc_is_apapc() -> None:
    problem, network, x0 = least_squares(), Network.from_networkx(GRAPHS["complete"]), torch.from_numpy(initial())
    plain, chebyshev_of_one = APAPC(0.1, 0.4, 1.0), OPAPC(0.1, 0.4, 1.0, mixings=1)
    for _, one, other in zip(
        range(20), run(plain, problem, network, x0), run(chebyshev_of_one, problem, network, x0), strict=False
    ):
        torch.testing.assert_close(one.x, other.x, rtol=1e-12, atol=1e-12)


def test_mixings_are_whole_numbers() -> None:
    with pytest.raises(InputError, match=r"opapc needs a whole number of mixings, got 1\.5; try 2"):
        OPAPC(0.1, 0.4, 1.0, mixings=1.5)


@pytest.mark.parametrize(("dual_step", "converges"), [(1.31, True), (1.36, False)])
def test_the_largest_dual_step_of_apapc_is_what_the_docstring_says(dual_step: float, converges: bool) -> None:
    zero = LeastSquares.from_nodes([[[1.0]]] * 4, [[0.0]] * 4, Zero())
    network, x0 = Network.from_networkx(nx.cycle_graph(4)), torch.tensor([[1.0], [-1.0], [1.0], [-1.0]])
    method = APAPC(1e-12, coupling=0.5, dual_step=dual_step)  # next to no gradient
    states = run(method, zero, network, x0)
    last = [next(states).x for _ in range(600)][-1]
    assert (last.abs().max() < 1e-3) == converges


def paper_nids(w, g, prox, x0, count, alpha, c):  # type: ignore[no-untyped-def]
    """Li, Shi, Yan 2019 node by node, W~ = I - c Lambda (I - W)."""
    mixing = np.eye(NODES) - c * np.diag(alpha) @ (np.eye(NODES) - w)
    column = alpha.reshape(-1, 1)
    x, z = [x0], x0 - column * g(x0)
    x.append(prox(z, column))
    while len(x) <= count:
        z = z - x[-1] + mixing @ (2 * x[-1] - x[-2] - column * (g(x[-1]) - g(x[-2])))
        x.append(prox(z, column))
    return x


@ON_GRAPHS
@pytest.mark.parametrize("weight", [0.0, 0.4])
def test_nids_with_local_steps_is_what_the_paper_prints(graph: nx.Graph, weight: float) -> None:
    problem = least_squares(L1(weight) if weight else None)
    w = metropolis(graph)
    alpha = 1.2 / np.linalg.eigvalsh(hessians(problem))[:, -1]
    c = 0.8 / ((1 - min(np.linalg.eigvalsh(w)[0], 0)) * alpha.max())

    def prox(v: np.ndarray, step: np.ndarray) -> np.ndarray:
        return np.sign(v) * np.maximum(np.abs(v) - weight * step, 0)

    expected = paper_nids(w, dense_gradient(problem), prox, initial(), 40, alpha, c)
    expect_equal(NIDSLocal(1.2, dual_step=0.8), problem, graph, expected)


def test_nids_with_equal_steps_and_half_the_coupling_is_nids() -> None:
    features = [np.diag([1.0, 0.6, 0.3, 0.2, 0.1])] * NODES
    targets = list(np.random.default_rng(2).standard_normal((NODES, DIM)))
    problem = LeastSquares.from_nodes(features, targets, L1(0.01))
    graph, smoothness = GRAPHS["ring"], float(problem.smoothness().max())
    network, x0 = Network.from_networkx(graph), torch.from_numpy(initial())
    sigma = (1 - np.linalg.eigvalsh(metropolis(graph))[0]) / 2
    for _, one, other in zip(
        range(40),
        run(NIDS(1.3 / smoothness), problem, network, x0),
        run(NIDSLocal(1.3, dual_step=sigma), problem, network, x0),
        strict=False,
    ):
        torch.testing.assert_close(one.x, other.x, rtol=1e-10, atol=1e-10)


def paper_tracking(w, g, direction, x0, count, step):  # type: ignore[no-untyped-def]
    """Gradient tracking along a direction made of the tracker, the moves and the changes of the gradients."""
    x, s, moved, change = [x0], g(x0), np.zeros_like(x0), np.zeros_like(x0)
    for _ in range(count):
        x.append(w @ (x[-1] - step * direction(s, moved, change)))
        moved, change = x[-1] - x[-2], g(x[-1]) - g(x[-2])
        s = w @ (s + change)
    return x


@ON_GRAPHS
def test_network_giant_is_gradient_tracking_along_newton_directions(graph: nx.Graph) -> None:
    problem, shift = least_squares(samples=3), 0.2  # Hessians of rank 3
    systems = hessians(problem) + shift * np.eye(DIM)

    def newton(s: np.ndarray, moved: np.ndarray, change: np.ndarray) -> np.ndarray:
        return np.stack([np.linalg.solve(h, v) for h, v in zip(systems, s, strict=True)])

    expected = paper_tracking(metropolis(graph), dense_gradient(problem), newton, initial(), 15, 0.3)
    expect_equal(NetworkGIANT(0.3, shift=shift), problem, graph, expected)


def test_network_giant_takes_newton_steps_where_nodes_are_equal() -> None:
    a = np.random.default_rng(3).standard_normal((8, DIM))
    problem = LeastSquares.from_nodes([a] * NODES, [a @ np.ones(DIM)] * NODES, Zero())
    states = run(NetworkGIANT(1.0, shift=1e-9), problem, Network.from_networkx(GRAPHS["star"]), torch.zeros(NODES, DIM))
    next(states)
    torch.testing.assert_close(next(states).x, torch.ones(NODES, DIM), rtol=0, atol=1e-6)


def dense_bfgs(s: np.ndarray, y: np.ndarray, damping: float) -> np.ndarray:
    """The matrix of one node: Powell's damping for the matrix damping * I, then the scaled memoryless BFGS update."""
    if not s.any():
        return np.eye(len(s)) / damping
    if s @ y < 0.2 * damping * s @ s:
        theta = 0.8 * damping * s @ s / (damping * s @ s - s @ y)
        y = theta * y + (1 - theta) * damping * s
    rho = 1 / (s @ y)
    left = np.eye(len(s)) - rho * np.outer(s, y)
    return (s @ y) / (y @ y) * left @ left.T + rho * np.outer(s, s)


@pytest.mark.parametrize("curvature", [2.0, 0.01, -1.0, None])
def test_memoryless_bfgs_is_its_matrix(curvature: float | None) -> None:
    random = np.random.default_rng(4)
    v, s, y = random.standard_normal((3, DIM))
    if curvature is None:
        s, y = 0 * s, 0 * y
    else:
        y = y + (curvature - s @ y / (s @ s)) * s  # s'y = curvature s's
    ours = memoryless_bfgs(*(torch.from_numpy(t).unsqueeze(0) for t in (v, s, y)), 0.7)
    torch.testing.assert_close(ours[0], torch.from_numpy(dense_bfgs(s, y, 0.7) @ v), rtol=1e-12, atol=1e-12)


def test_memoryless_bfgs_satisfies_the_secant_equation_and_is_positive() -> None:
    s, y = torch.randn(2, NODES, DIM)
    y = y + 3 * s
    assert ((s * y).sum(1) > 0.2 * (s * s).sum(1)).all()
    torch.testing.assert_close(memoryless_bfgs(y, s, y, 1.0), s, rtol=1e-10, atol=1e-10)
    v: Tensor = torch.randn(NODES, DIM)
    assert ((v * memoryless_bfgs(v, s, -y, 1.0)).sum(1) > 0).all()


@ON_GRAPHS
def test_dmbfgs_is_gradient_tracking_along_quasi_newton_directions(graph: nx.Graph) -> None:
    problem, damping = least_squares(samples=3), 1.0

    def quasi_newton(v: np.ndarray, moved: np.ndarray, change: np.ndarray) -> np.ndarray:
        return np.stack([dense_bfgs(s, y, damping) @ v_i for v_i, s, y in zip(v, moved, change, strict=True)])

    expected = paper_tracking(metropolis(graph), dense_gradient(problem), quasi_newton, initial(), 15, 0.1)
    expect_equal(DMBFGS(0.1, damping=damping), problem, graph, expected)


def test_who_has_local_work() -> None:
    assert NetworkGIANT(0.1, 0.1).has_local_work
    for method in (APAPC(0.1, 0.4, 1.0), OPAPC(0.1, 0.4, 1.0, 2), NIDSLocal(1.0, 1.0), DMBFGS(0.1, 0.1)):
        assert not method.has_local_work
