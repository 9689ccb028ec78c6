"""Methods with local work against dense recursions from the papers and against iterates of decent-bench."""

from itertools import islice
from pathlib import Path
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
from gnn_l2o.handcrafted import ADMM, ESOM, LTADMM, InexactALM, ProxSkip, SpectralADMM
from gnn_l2o.problems import LeastSquares
from gnn_l2o.problems.regularizers import L1, Regularizer, Zero

GRAPHS = {
    "ring": nx.cycle_graph(6),
    "star": nx.star_graph(5),
    "erdos_renyi": nx.gnp_random_graph(6, 0.6, seed=1),
}
ON_GRAPHS = pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS.keys())
RECORD = Path(__file__).parents[1] / "oracles" / "decent_bench_local.npz"
ITERATIONS = 30


def problem_of(regularizer: Regularizer) -> LeastSquares:
    random = np.random.default_rng(3)
    features = random.standard_normal((6, 5, 3)) * np.linspace(0.5, 1.5, 6)[:, None, None]
    return LeastSquares.from_nodes(list(features), list(random.standard_normal((6, 5))), regularizer)


def dense(problem: LeastSquares) -> tuple[np.ndarray, np.ndarray]:
    """The Hessians (6, 3, 3) and the linear terms (6, 3): grad f_i(x) = H_i x - b_i."""
    a, b = problem.features.numpy(), problem.targets.numpy()
    return np.einsum("imk,iml->ikl", a, a) / a.shape[1], np.einsum("imk,im->ik", a, b) / a.shape[1]


def gradient(problem: LeastSquares, x: np.ndarray) -> np.ndarray:
    hessian, linear = dense(problem)
    return np.einsum("ikl,il->ik", hessian, x) - linear


def soft(v: np.ndarray, threshold: float | np.ndarray) -> np.ndarray:
    return np.sign(v) * np.maximum(np.abs(v) - threshold, 0)


def same_iterates(method: Tunable[Any], problem: LeastSquares, network: Network, expected: list[np.ndarray]) -> None:
    states = run(method, problem, network, torch.from_numpy(expected[0]))
    for state, x in zip(islice(states, len(expected)), expected, strict=True):
        torch.testing.assert_close(state.x, torch.from_numpy(x), rtol=1e-10, atol=1e-10)


def recorded(name: str) -> tuple[LeastSquares, list[np.ndarray]]:
    with np.load(RECORD) as record:
        features, targets, iterates = record["features"], record["targets"], record[name]
    return LeastSquares.from_nodes(list(features), list(targets), Zero()), list(iterates)


# decent-bench ran on a ring of six from zero, see oracles/record_decent_bench_local.py for the parameters.


def test_admm_is_decent_benchs() -> None:
    problem, iterates = recorded("ADMM")
    same_iterates(ADMM(penalty=0.4, relaxation=0.7), problem, Network.from_networkx(GRAPHS["ring"]), iterates)


def test_lt_admm_is_decent_benchs() -> None:
    problem, iterates = recorded("LT_ADMM")
    method = LTADMM(step_size=0.1, coupling=4 * 0.15 * 0.4, local_steps=4)
    same_iterates(method, problem, Network.from_networkx(GRAPHS["ring"]), iterates)


def test_prox_skip_at_fixed_times_is_decent_benchs_local_exact_diffusion() -> None:
    problem, iterates = recorded("LED")
    same_iterates(ProxSkip(0.1, local_steps=4), problem, Network.from_networkx(GRAPHS["ring"]), iterates)


def test_prox_skip_that_never_skips_is_decent_benchs() -> None:
    problem, iterates = recorded("ProxSkip")
    same_iterates(ProxSkip(0.1, local_steps=1), problem, Network.from_networkx(GRAPHS["ring"]), iterates)


@ON_GRAPHS
def test_prox_skip_is_proximal_steps_and_a_mixing(graph: nx.Graph) -> None:
    problem, network = problem_of(L1(0.2)), Network.from_networkx(graph)
    half, step, steps = (np.eye(6) + network.matrix().numpy()) / 2, 0.2, 3
    x = [np.random.default_rng(0).standard_normal((6, 3))]
    y = np.zeros((6, 3))
    for _ in range(ITERATIONS):
        now = x[-1]
        for t in range(1, steps + 1):
            hat = now - step * gradient(problem, now) - y
            mixed = half @ hat if t == steps else hat
            y = y + (hat - mixed) / steps
            now = soft(mixed, step * 0.2)
        x.append(now)
    same_iterates(ProxSkip(step, steps), problem, network, x)


@ON_GRAPHS
def test_lt_admm_is_the_papers_with_variables_at_the_edges(graph: nx.Graph) -> None:
    problem, network = problem_of(Zero()), Network.from_networkx(graph)
    step, beta, rho, steps = 0.1, 0.2, 0.15, 5
    x = [np.tile(np.random.default_rng(0).standard_normal(3), (6, 1))]
    z = {(i, j): rho * x[0][i] for i in graph for j in graph[i]}
    for _ in range(ITERATIONS):
        phi, old = x[-1], z
        fixed = np.stack([rho * graph.degree[i] * phi[i] - sum(z[i, j] for j in graph[i]) for i in sorted(graph)])
        for _ in range(steps):
            phi = phi - step * gradient(problem, phi) - beta * fixed
        z = {(i, j): 0.5 * (old[i, j] - old[j, i]) + rho * phi[j] for i, j in old}
        x.append(phi)
    same_iterates(LTADMM(step, coupling=steps * beta * rho, local_steps=steps), problem, network, x)


def block(blocks: np.ndarray) -> np.ndarray:
    out = np.zeros((18, 18))
    for i, b in enumerate(blocks):
        out[3 * i : 3 * i + 3, 3 * i : 3 * i + 3] = b
    return out


@ON_GRAPHS
@pytest.mark.parametrize("terms", [1, 3])
def test_esom_sums_the_taylor_series_of_the_inverse_hessian(graph: nx.Graph, terms: int) -> None:
    problem, network = problem_of(Zero()), Network.from_networkx(graph)
    alpha, epsilon = 0.3, 0.4
    w = np.kron(network.matrix().numpy(), np.eye(3))
    diagonal, identity = np.diag(np.diag(w)), np.eye(18)
    d = block(dense(problem)[0]) + epsilon * identity + 2 * alpha * (identity - diagonal)
    values, vectors = np.linalg.eigh(d)
    root = vectors / np.sqrt(values) @ vectors.T
    b = alpha * (identity - 2 * diagonal + w)
    inverse = root @ sum(np.linalg.matrix_power(root @ b @ root, u) for u in range(terms)) @ root
    x = [np.tile(np.random.default_rng(0).standard_normal(3), (6, 1))]
    q = np.zeros(18)
    for _ in range(ITERATIONS):
        flat = x[-1].reshape(-1)
        g = gradient(problem, x[-1]).reshape(-1) + q + alpha * (flat - w @ flat)
        flat = flat - inverse @ g
        q = q + alpha * (flat - w @ flat)
        x.append(flat.reshape(6, 3))
    same_iterates(ESOM(alpha, epsilon, terms), problem, network, x)


def augmented_minimum(problem: LeastSquares, w: np.ndarray, rho: float, y: np.ndarray) -> np.ndarray:
    hessian, linear = dense(problem)
    full = block(hessian) + rho * np.kron(np.eye(6) - w, np.eye(3))
    return np.linalg.solve(full, (linear - y).reshape(-1)).reshape(6, 3)


@ON_GRAPHS
def test_with_many_inner_steps_it_is_the_augmented_lagrangian_method(graph: nx.Graph) -> None:
    problem, network = problem_of(Zero()), Network.from_networkx(graph)
    w, rho = network.matrix().numpy(), 0.7
    x, y = np.ones((6, 3)), np.zeros((6, 3))
    states = islice(run(InexactALM(rho, 800), problem, network, torch.from_numpy(x)), 4)
    next(states)
    for state in states:
        x = augmented_minimum(problem, w, rho, y)
        y = y + rho * (x - w @ x)
        torch.testing.assert_close(state.x, torch.from_numpy(x), rtol=1e-7, atol=1e-7)


@ON_GRAPHS
def test_inexact_alm_takes_steps_of_fista(graph: nx.Graph) -> None:
    problem, network = problem_of(L1(0.2)), Network.from_networkx(graph)
    laplacian, rho, steps = np.eye(6) - network.matrix().numpy(), 0.7, 4
    curvature = problem.smoothness().numpy() + 2 * rho * np.diag(laplacian)[:, None]
    x = [np.random.default_rng(0).standard_normal((6, 3))]
    y = np.zeros((6, 3))
    for _ in range(ITERATIONS):
        y = y + rho * laplacian @ x[-1]
        u = v = x[-1]
        t = 1.0
        for _ in range(steps):
            slope = gradient(problem, v) + y + rho * laplacian @ v
            new = soft(v - slope / curvature, 0.2 / curvature)
            later = (1 + np.sqrt(1 + 4 * t * t)) / 2
            u, v, t = new, new + (t - 1) / later * (new - u), later
        x.append(u)
    same_iterates(InexactALM(rho, steps), problem, network, x)


def spectral_admm(
    problem: LeastSquares, graph: nx.Graph, initial: float, x0: np.ndarray
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The iterates and the numbers c, node by node."""
    hessian, linear = dense(problem)
    share = np.array([np.trace(hessian[i]) / 3 / graph.degree[i] for i in range(6)])
    now, later = initial * share, initial * share
    x, c, center, y = [x0], [now], x0, np.zeros_like(x0)
    before = np.zeros_like(x0)
    for k in range(1, ITERATIONS + 1):
        rho = {(i, j): np.sqrt(now[i] * now[j]) for i in graph for j in graph[i]}
        w = np.array([sum(rho[i, j] for j in graph[i]) for i in range(6)])
        matrices = [hessian[i] + w[i] * np.eye(3) for i in range(6)]
        new = np.stack([np.linalg.solve(matrices[i], linear[i] - y[i] + w[i] * center[i]) for i in range(6)])
        s = np.einsum("ikl,il->ik", hessian, new) - linear
        apart = np.stack([sum(rho[i, j] * (new[i] - new[j]) for j in graph[i]) for i in range(6)])
        y = y + 0.97 * apart
        center = center + 2 * 0.97 * (new - apart / (2 * w[:, None]) - center)
        following = later
        if k > 1:
            h = np.linalg.norm(s - before, axis=1) / np.linalg.norm(new - x[-1], axis=1)
            bound = 1 + 20 / k**2
            following = (later * (2 * h / w).clip(1 / bound, bound)).clip(0.03 * share, 100 * share)
        now, later, before = later, following, s
        x.append(new)
        c.append(now)
    return x, c


@ON_GRAPHS
def test_spectral_admm_is_admm_with_penalties_after_the_curvature(graph: nx.Graph) -> None:
    problem, network = problem_of(Zero()), Network.from_networkx(graph)
    x0 = np.random.default_rng(0).standard_normal((6, 3))
    x, c = spectral_admm(problem, graph, 3.0, x0)
    assert max(abs(np.log(c[10] / c[0]))) > 0.5  # they did move
    assert max(abs(np.log(c[-1] / c[-2]))) < 0.05  # and come to rest
    same_iterates(SpectralADMM(3.0), problem, network, x)


def test_without_losses_the_coupling_has_the_limit_of_the_docstring() -> None:
    nothing = LeastSquares.from_nodes([[[0.0]]] * 4, [[0.0]] * 4, Zero())
    network, x0 = Network.from_networkx(nx.cycle_graph(4)), torch.tensor([[1.0], [-1.0], [1.0], [-1.0]])
    limit = 8 / 3 / 4  # the largest eigenvalue of the Laplacian of a ring of four is 4

    def final(coupling: float) -> Tensor:
        return next(islice(run(LTADMM(1.0, coupling, 4), nothing, network, x0), 400, None)).x.abs().max()

    assert final(0.95 * limit) < 1e-6
    assert final(1.05 * limit) > 1e3


@pytest.mark.parametrize(
    ("method", "good"),
    [
        (ProxSkip, {"step_size": 0.1, "local_steps": 4}),
        (LTADMM, {"step_size": 0.1, "coupling": 0.1, "local_steps": 4}),
        (ESOM, {"penalty": 0.1, "proximal_weight": 0.1, "terms": 2}),
        (InexactALM, {"penalty": 0.1, "inner_steps": 4}),
    ],
)
def test_steps_are_whole_numbers(method: Any, good: dict[str, float]) -> None:
    method(**good)
    with pytest.raises(InputError, match=r"needs a whole number of .* got 2\.5; try 2"):
        method(**{**good, list(good)[-1]: 2.5})
