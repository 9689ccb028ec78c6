"""Methods for stochastic gradients against dense recursions over the same draws."""

from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch

from gnn_l2o._utils.blocks import Blocks
from gnn_l2o.algorithms.base import spent
from gnn_l2o.algorithms.driver import run
from gnn_l2o.algorithms.tunable import Tunable
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import D2, DSGD, DSGT, ATCTracking, DeMuon, Diffusion, ProxED
from gnn_l2o.handcrafted.demuon import matrix_sign
from gnn_l2o.problems import NeuralNetwork, Stochastic, solve
from gnn_l2o.problems.regularizers import L1, Regularizer, Zero
from tests.handcrafted.dense import iterates, metropolis
from tests.problems.linear_models import L1_WEIGHT, SAMPLES, model

GRAPHS = {"ring": nx.cycle_graph(6), "erdos_renyi": nx.gnp_random_graph(6, 0.6, seed=1)}
METHODS = pytest.mark.parametrize("method", [DSGD, D2, DSGT])


# X all iterates, g(k, x) all gradients of draw k, a(k) the steps.


def dense_dsgd(w, g, prox, x0, count, a, beta):  # type: ignore[no-untyped-def]
    x, m = [x0], 0 * x0
    for k in range(count):
        m = beta * m + (1 - beta) * g(k + 1, x[-1])
        x.append(prox(w @ (x[-1] - a(k) * m), a(k)))
    return x


def dense_d2(w, g, prox, x0, count, a, beta):  # type: ignore[no-untyped-def]
    half, x, m, z, psi = (np.eye(len(w)) + w) / 2, [x0], 0 * x0, x0, x0
    for k in range(count):
        m = beta * m + (1 - beta) * g(k + 1, x[-1])
        before, psi = psi, x[-1] - a(k) * m
        z = half @ (psi + (a(k) / a(k - 1) * (z - before) if k else 0))
        x.append(prox(z, a(k)))
    return x


def dense_dsgt(w, g, prox, x0, count, a, beta):  # type: ignore[no-untyped-def]
    x, m, y = [x0], 0 * x0, 0 * x0
    for k in range(count):
        before, m = m, beta * m + (1 - beta) * g(k + 1, x[-1])
        y = w @ y + m - before
        x.append(prox(w @ (x[-1] - a(k) * y), a(k)))
    return x


@pytest.mark.parametrize(("method", "dense"), [(DSGD, dense_dsgd), (D2, dense_d2), (DSGT, dense_dsgt)])
@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS.keys())
def test_it_is_its_recursion_over_the_draws(method: Any, dense: Any, graph: nx.Graph) -> None:
    problem, x0 = Stochastic(model(*SAMPLES), batch_size=3, seed=2), torch.randn(6, 3)

    def gradient(number: int, x: np.ndarray) -> np.ndarray:
        return problem.draw(number).gradient(torch.from_numpy(x)).numpy()

    def soft(v: np.ndarray, step: float) -> np.ndarray:
        return np.sign(v) * np.maximum(np.abs(v) - step * L1_WEIGHT, 0)

    ours = iterates(method(0.1, 0.6, 0.02), problem, Network.from_networkx(graph), x0, 50)
    args = gradient, soft, x0.numpy(), 50, lambda k: 0.1 / (1 + 0.02 * k), 0.6
    for x, y in zip(ours, dense(metropolis(graph), *args), strict=True):
        torch.testing.assert_close(x, torch.from_numpy(y), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("method", "plain", "regularizer"),
    [
        (DSGD, Diffusion, L1(L1_WEIGHT)),
        (D2, ProxED, L1(L1_WEIGHT)),
        (DSGT, ATCTracking, Zero()),  # with r it keeps x, where the other keeps what x was before the prox
    ],
)
def test_with_hardly_any_momentum_and_decay_it_is_the_plain_method(
    method: Any, plain: Any, regularizer: Regularizer
) -> None:
    problem, network = model(*SAMPLES, regularizer=regularizer), Network.from_networkx(GRAPHS["ring"])
    x0 = torch.randn(1, 3).expand(6, 3)
    ours = iterates(method(0.1, 1e-14, 1e-14), problem, network, x0, 60)
    for x, y in zip(ours, iterates(plain(0.1), problem, network, x0, 60), strict=True):
        torch.testing.assert_close(x, y, rtol=0, atol=1e-11)


@pytest.mark.parametrize("regularizer", [L1(L1_WEIGHT), Zero()], ids=["l1", "zero"])
@pytest.mark.parametrize("method", [D2, DSGT])
def test_with_full_gradients_momentum_and_decay_keep_it_exact(method: Any, regularizer: Regularizer) -> None:
    problem, network = model(*SAMPLES, regularizer=regularizer), Network.from_networkx(GRAPHS["ring"])
    optimum = solve(problem).x
    x = iterates(method(0.2, 0.8, 1e-3), problem, network, torch.randn(6, 3), 900)[-1]
    torch.testing.assert_close(x, optimum.expand(6, 3), rtol=0, atol=1e-9)


def spread(method: Tunable[Any], iterations: int, average: int) -> float:
    """The root mean square distance from the limit of full gradients over the last ``average`` iterations."""
    full, network = model(*SAMPLES), Network.from_networkx(GRAPHS["ring"])
    start = solve(full).x.expand(6, 3)
    limit = iterates(method, full, network, start, iterations)[-1] if method.name == "dsgd" else start
    xs = iterates(method, Stochastic(full, batch_size=2, seed=3), network, start, iterations)[-average:]
    return float(torch.stack([(x - limit).square().sum() for x in xs]).mean().sqrt())


@METHODS
def test_the_ball_of_noise_shrinks_with_the_step(method: Any) -> None:
    coarse, fine = spread(method(0.08, 0.1, 1e-9), 1200, 1000), spread(method(0.01, 0.1, 1e-9), 2400, 2000)
    assert fine < 0.6 * coarse  # the square root of the step's share is 0.35


@METHODS
def test_the_ball_of_noise_shrinks_with_the_decay(method: Any) -> None:
    constant, decaying = (spread(method(0.1, 0.1, decay), 2000, 200) for decay in (1e-9, 0.05))
    assert decaying < 0.4 * constant


@METHODS
def test_every_iteration_sees_its_own_draw_and_is_counted(method: Any) -> None:
    problem, network = Stochastic(model(*SAMPLES), batch_size=2, seed=3), Network.from_networkx(GRAPHS["ring"])
    algorithm = method(0.1, 0.5, 1e-3)
    first = iterates(algorithm, problem, network, torch.ones(6, 3), 10)[-1]
    assert spent(problem, network) == algorithm.total_cost(10)
    assert torch.equal(iterates(algorithm, problem, network, torch.ones(6, 3), 10)[-1], first)
    assert not torch.allclose(iterates(algorithm, problem.full, network, torch.ones(6, 3), 10)[-1], first)


def test_a_run_is_taken_up_again_where_it_stopped() -> None:
    problem, network = Stochastic(model(*SAMPLES), batch_size=2, seed=3), Network.from_networkx(GRAPHS["ring"])
    algorithm = D2(0.1, 0.5, 1e-3)
    states = [state for state, _ in zip(run(algorithm, problem, network, torch.ones(6, 3)), range(9), strict=False)]
    state = states[4]
    for k in range(5, 9):
        state = algorithm.step(problem.draw(k), network, state)
    assert torch.equal(state.x, states[8].x)


def polar(matrix: np.ndarray) -> np.ndarray:
    """The nearest orthogonal matrix, with a root mean square of one."""
    u, _, v = np.linalg.svd(matrix, full_matrices=False)
    return max(matrix.shape) ** 0.5 * u @ v


def test_demuon_is_its_recursion_over_the_draws() -> None:
    graph, sizes = GRAPHS["erdos_renyi"], (12, 3, 12, 4)
    module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Tanh(), torch.nn.Linear(3, 4))
    shards = [(torch.randn(8, 4), torch.randint(4, (8,))) for _ in graph]
    full = NeuralNetwork.from_nodes(module, torch.nn.functional.cross_entropy, shards)
    problem, w = Stochastic(full, batch_size=3, seed=2), metropolis(graph)
    x = problem.initial_point().numpy()
    ours = iterates(DeMuon(0.1, 0.6, 0.02), problem, Network.from_networkx(graph), problem.initial_point(), 20)
    v, m = 0 * x, 0 * x
    for k in range(20):
        before, m = m, 0.6 * m + 0.4 * problem.draw(k + 1).gradient(torch.from_numpy(x)).numpy()
        v = w @ (v + m - before)
        move = np.zeros_like(x)
        for i in range(6):
            a, b, c, d = np.split(v[i], np.cumsum(sizes)[:-1])
            parts = [polar(a.reshape(3, 4)), polar(b[None]), polar(c.reshape(4, 3)), polar(d[None])]
            move[i] = np.concatenate([part.ravel() for part in parts])
        x = w @ (x - 0.1 / (1 + 0.02 * k) * move)
        torch.testing.assert_close(ours[k + 1], torch.from_numpy(x), rtol=1e-8, atol=1e-8)


def test_demuon_does_not_move_without_gradients_and_is_lost_without_a_crash() -> None:
    blocks = Blocks(((3, 4), (3,)))
    assert (matrix_sign(torch.zeros(2, 15), blocks) == 0).all()
    lost = matrix_sign(torch.stack([torch.full((15,), torch.nan), torch.randn(15)]), blocks)
    assert lost[0].isnan().all()
    assert lost[1].isfinite().all()


@METHODS
def test_it_takes_part_only_where_gradients_are_stochastic(method: Any) -> None:
    assert method.stochastic
    assert not ProxED.stochastic
