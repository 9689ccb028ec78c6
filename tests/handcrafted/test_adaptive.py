"""The methods that choose their own steps, against dense loops written from their recursions."""

import math
from itertools import pairwise
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch

from gnn_l2o.algorithms.driver import run
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import DNASA, DAdam, Kuruzov
from gnn_l2o.problems import LeastSquares, solve
from gnn_l2o.problems.regularizers import L1, Regularizer, Zero
from tests.handcrafted.dense import iterates, metropolis

GRAPHS = {"ring": nx.cycle_graph(6), "erdos_renyi": nx.gnp_random_graph(6, 0.6, seed=1)}
L1_WEIGHT = 0.3


def least_squares(regularizer: Regularizer, nodes: int = 6, scale: float = 1.0, seed: int = 0) -> LeastSquares:
    random = np.random.default_rng(seed)
    features = random.standard_normal((nodes, 8, 4))
    targets = features @ random.standard_normal(4) + random.standard_normal((nodes, 8))
    return LeastSquares.from_nodes(list(scale * features), list(scale * targets), regularizer)


def loss(problem: LeastSquares, i: int, x: np.ndarray) -> float:
    a, b = problem.features[i].numpy(), problem.targets[i].numpy()
    return float(((a @ x - b) ** 2).sum()) / (2 * len(b))


def gradient(problem: LeastSquares, i: int, x: np.ndarray) -> np.ndarray:
    a, b = problem.features[i].numpy(), problem.targets[i].numpy()
    return a.T @ (a @ x - b) / len(b)


def soft(v: np.ndarray, threshold: float) -> np.ndarray:
    return np.sign(v) * np.maximum(np.abs(v) - threshold, 0)


# The recursions node by node.


def dense_dadam(problem: LeastSquares, w: np.ndarray, x0: np.ndarray, count: int, step: float) -> list[np.ndarray]:
    x = [x0]
    m, v, v_hat = np.zeros_like(x0), np.zeros_like(x0), np.zeros_like(x0)
    for _ in range(count):
        new = np.empty_like(x0)
        for i in range(len(w)):
            g = gradient(problem, i, x[-1][i])
            m[i] = 0.9 * m[i] + 0.1 * g
            v[i] = 0.999 * v[i] + 0.001 * g**2
            v_hat[i] = 0.9 * v_hat[i] + 0.1 * np.maximum(v_hat[i], v[i])
            new[i] = sum(w[i, j] * x[-1][j] for j in range(len(w))) - step * m[i] / (np.sqrt(v_hat[i]) + 1e-4)
        x.append(new)
    return x


def dense_d_nasa(problem: LeastSquares, w: np.ndarray, x0: np.ndarray, count: int, step: float) -> list[np.ndarray]:
    n, x, z = len(w), [x0], np.zeros_like(x0)
    for k in range(count):
        length, weight = min(1.0, step * n**0.25 / (k + 1) ** 0.75), min(1.0, math.sqrt(n / (k + 1)))
        u = x[-1].copy()
        for i in range(n):
            if z[i].any():
                u[i] = u[i] - length * z[i] / np.linalg.norm(z[i])
            z[i] = z[i] + weight * (gradient(problem, i, u[i]) - z[i])
        x.append(w @ u)
        z = w @ z
    return x


def dense_kuruzov(
    problem: LeastSquares, w: np.ndarray, x0: np.ndarray, count: int, step: float, l1_weight: float
) -> list[np.ndarray]:
    half, x, s, d = (np.eye(len(w)) + w) / 2, [x0], np.zeros_like(x0), np.zeros_like(x0)
    for k in range(count):
        now = x[-1]
        g = np.stack([gradient(problem, i, now[i]) for i in range(len(w))])
        x_half, d_half = half @ now, half @ (g + s + d)
        steps = []
        for i in range(len(w)):
            alpha = step if k == 0 else step * (k + 1) / k
            while True:
                move = x_half[i] - alpha * d_half[i] - now[i]
                bound = loss(problem, i, now[i]) + g[i] @ move + 0.9 / (2 * alpha) * move @ move
                if loss(problem, i, now[i] + move) <= bound + 8 * 2**-52 * loss(problem, i, now[i]):
                    break
                alpha *= 0.9
            steps.append(alpha)
        step = min(steps)
        x.append(soft(x_half - step * d_half + step * s, step * l1_weight))
        s_new = s + (x_half - x[-1] - step * d_half) / step
        d = d_half + (now - x_half - step * g - step * s) / step
        s = s_new
    return x


@pytest.mark.parametrize("regularizer", [L1(L1_WEIGHT), Zero()], ids=["l1", "zero"])
@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS.keys())
def test_kuruzov_is_its_recursion(graph: nx.Graph, regularizer: Regularizer) -> None:
    problem, x0 = least_squares(regularizer), torch.randn(6, 4)
    ours = iterates(Kuruzov(3.0), problem, Network.from_networkx(graph), x0, 40)
    weight = L1_WEIGHT if isinstance(regularizer, L1) else 0.0
    expected = dense_kuruzov(problem, metropolis(graph), x0.numpy(), 40, 3.0, weight)
    for x, y in zip(ours, expected, strict=True):
        torch.testing.assert_close(x, torch.from_numpy(y), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(("method", "dense"), [(DAdam, dense_dadam), (DNASA, dense_d_nasa)])
@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS.keys())
def test_it_is_its_recursion(method: Any, dense: Any, graph: nx.Graph) -> None:
    problem, x0 = least_squares(Zero()), torch.randn(6, 4)
    ours = iterates(method(0.05), problem, Network.from_networkx(graph), x0, 60)
    expected = dense(problem, metropolis(graph), x0.numpy(), 60, 0.05)
    for x, y in zip(ours, expected, strict=True):
        torch.testing.assert_close(x, torch.from_numpy(y), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("first", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("regularizer", [L1(L1_WEIGHT), Zero()], ids=["l1", "zero"])
def test_kuruzov_finds_a_step_whatever_it_starts_with(regularizer: Regularizer, first: float) -> None:
    problem = least_squares(regularizer)
    optimum = solve(problem).x
    method = Kuruzov.from_setting(problem, {"step_size": first})
    states = run(method, problem, Network.from_networkx(GRAPHS["ring"]), torch.randn(6, 4))
    for _ in range(1000):
        state = next(states)
    torch.testing.assert_close(state.x, optimum.expand(6, 4), rtol=0, atol=1e-7)
    assert 0.5 < float(state.step_size[0] * problem.smoothness().max()) < 20
    torch.testing.assert_close(state.d.sum(dim=0), torch.zeros(4), rtol=0, atol=1e-8)
    if isinstance(regularizer, Zero):
        assert state.s.abs().max() < 1e-8


def test_the_steps_of_a_graph_agree_and_those_of_others_are_their_own() -> None:
    problems = [least_squares(Zero(), nodes, scale, seed=nodes) for nodes, scale in ((6, 1.0), (4, 3.0))]
    graphs = [Network.from_networkx(nx.cycle_graph(nodes)) for nodes in (6, 4)]
    states = run(Kuruzov(2.0), LeastSquares.concatenate(problems), Network.concatenate(graphs), torch.randn(10, 4))
    for _ in range(30):
        step = next(states).step_size
    assert len(step[:6].unique()) == len(step[6:].unique()) == 1
    assert step[0] > 2 * step[-1]


def test_a_run_that_diverged_does_not_hold_up_the_search() -> None:
    problem, network = least_squares(Zero()), Network.from_networkx(GRAPHS["ring"])
    x0 = torch.randn(6, 4)
    x0[2] = torch.inf
    assert not iterates(Kuruzov(1.0), problem, network, x0, 3)[-1].isfinite().all()


def test_the_minimum_reaches_all_nodes_of_a_graph_and_no_others() -> None:
    network = Network.concatenate([Network.from_networkx(nx.path_graph(n)) for n in (3, 2)])
    least = network.graph_min(torch.tensor([[3.0], [1.0], [2.0], [-1.0], [5.0]]))
    assert least.flatten().tolist() == [1, 1, 1, -1, -1]
    sent = network.traffic
    assert (sent.rounds, sent.vectors, sent.numbers, sent.minima) == (2, 0, 2, 1)  # the larger of the diameters


def test_dadam_comes_as_close_as_its_step_where_nodes_agree_on_the_solution() -> None:
    random = np.random.default_rng(0)
    features, solution = random.standard_normal((6, 8, 4)), random.standard_normal(4)
    problem = LeastSquares.from_nodes(list(features), list(features @ solution), Zero())
    network, x0 = Network.from_networkx(GRAPHS["ring"]), torch.zeros(6, 4)
    for step in (1e-2, 1e-3):
        x = iterates(DAdam(step), problem, network, x0, 4000)[-1]
        assert (x - torch.from_numpy(solution)).abs().max() < step


def test_dadam_stops_beside_the_solution_where_they_do_not() -> None:
    problem, network = least_squares(Zero()), Network.from_networkx(GRAPHS["ring"])
    optimum = solve(problem).x
    coarse, fine = (
        (iterates(DAdam(step), problem, network, torch.zeros(6, 4), 4000)[-1] - optimum).abs().max()
        for step in (4e-3, 2e-3)
    )
    assert not DAdam.exact
    assert fine > 0.9 * coarse > 0.05  # half the step is not half the distance


def test_d_nasa_does_not_see_how_large_the_losses_are() -> None:
    network, x0 = Network.from_networkx(GRAPHS["ring"]), torch.randn(6, 4)
    small, large = (
        iterates(DNASA(1.0), least_squares(Zero(), scale=scale), network, x0, 50)[-1] for scale in (1.0, 8.0)
    )
    torch.testing.assert_close(small, large, rtol=1e-10, atol=1e-10)


def test_d_nasa_moves_no_farther_than_its_weights_and_ends_near_the_solution() -> None:
    problem, network = least_squares(Zero()), Network.from_networkx(GRAPHS["ring"])
    optimum = solve(problem).x
    xs = iterates(DNASA(1.0), problem, network, torch.zeros(6, 4), 4000)
    for k, (before, after) in enumerate(pairwise(xs)):
        length = min(1.0, 6**0.25 / (k + 1) ** 0.75)
        assert (after.mean(dim=0) - before.mean(dim=0)).norm() <= length + 1e-12
    distance = [float((xs[k] - optimum).norm()) for k in (0, 400, 4000)]
    assert distance[2] < 0.3 * distance[1] < 0.1 * distance[0]
