"""Local steps between two rounds: their draws, and DiNNO and K-GT against dense loops."""

from collections.abc import Callable
from itertools import islice
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.driver import run
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import ADMM, KGT, LTADMM, DiNNO, DiNNOAdam, ProxSkip
from gnn_l2o.problems import Problem, Stochastic
from tests.handcrafted.dense import GRAPHS
from tests.handcrafted.local_steps import ON_GRAPHS, STEPS, least_squares


def stochastic() -> Stochastic:
    return Stochastic(least_squares(), batch_size=3, seed=2)


@torch.no_grad()
def iterates(algorithm: Algorithm[Any], problem: Problem, network: Network, x0: Tensor, count: int) -> list[Tensor]:
    return [state.x for state in islice(run(algorithm, problem, network, x0), count + 1)]


def test_local_steps_have_samples_of_their_own() -> None:
    problem, x = stochastic(), torch.randn(6, 3)
    draws = [problem.draw(k).local_draw(t) for k in range(3) for t in range(3)]
    gradients = [draw.gradient(x) for draw in draws]
    assert all(not torch.equal(a, b) for i, a in enumerate(gradients) for b in gradients[:i])
    assert problem.calls.gradients == 9
    assert torch.equal(gradients[3], problem.draw(1).gradient(x))  # the first local step
    assert torch.equal(gradients[5], problem.draw(1).local_draw(1).local_draw(2).gradient(x))
    assert torch.equal(gradients[5], problem.draw(0).draw(1).local_draw(2).gradient(x))
    copies = problem.repeat(2)
    assert torch.equal(copies.draw(1).local_draw(2).gradient(x.repeat(2, 1)), gradients[5].repeat(2, 1))


def test_all_local_steps_of_full_gradients_are_alike() -> None:
    full = least_squares()
    assert full.draw(1).local_draw(2) is full
    problem = stochastic()
    assert problem.local_draw(2) is problem  # which draw did not return


def gradient_at(problem: Problem) -> Callable[[int, int, np.ndarray], np.ndarray]:
    """Gradients of iteration k and its local step t."""
    return lambda k, t, x: problem.draw(k).local_draw(t).gradient(torch.from_numpy(x)).numpy()


def adam(step: float) -> Callable[[np.ndarray], np.ndarray]:
    """The moves of Adam (Kingma, Ba 2015, Algorithm 1)."""
    m, v, s = np.zeros(3), np.zeros(3), 0

    def move(slope: np.ndarray) -> np.ndarray:
        nonlocal m, v, s
        s += 1
        m, v = 0.9 * m + 0.1 * slope, 0.999 * v + 0.001 * slope**2
        return -step * (m / (1 - 0.9**s)) / (np.sqrt(v / (1 - 0.999**s)) + 1e-8)

    return move


@ON_GRAPHS
@STEPS
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_dinno_takes_steps_on_the_local_lagrangians(graph: nx.Graph, local_steps: int, optimizer: str) -> None:
    problem, network = stochastic(), Network.from_networkx(graph)
    gradient, step, rho = gradient_at(problem), 0.05, 0.2
    moves = [adam(step) if optimizer == "adam" else lambda slope: -step * slope for _ in graph]
    x, p = [np.random.default_rng(0).standard_normal((6, 3))], np.zeros((6, 3))
    for k in range(1, 16):
        now = x[-1]
        new = now.copy()
        for i in graph:
            p[i] = p[i] + rho * sum(now[i] - now[j] for j in graph[i])
        for t in range(local_steps):
            local = gradient(k, t, new)
            for i in graph:
                slope = local[i] + p[i] + 2 * rho * sum(new[i] - (now[i] + now[j]) / 2 for j in graph[i])
                new[i] = new[i] + moves[i](slope)
        x.append(new)
    method = {"sgd": DiNNO, "adam": DiNNOAdam}[optimizer](step, rho, local_steps)
    ours = iterates(method, problem, network, torch.from_numpy(x[0]), 15)
    torch.testing.assert_close(torch.stack(ours), torch.from_numpy(np.stack(x)), rtol=1e-10, atol=1e-10)


@ON_GRAPHS
def test_dinno_with_many_local_steps_is_admm(graph: nx.Graph) -> None:
    problem, network, x0 = least_squares(), Network.from_networkx(graph), torch.zeros(6, 3)
    expected = iterates(ADMM(penalty=0.4, relaxation=0.5), problem, network, x0, 5)
    torch.testing.assert_close(iterates(DiNNO(0.1, 0.2, 1000), problem, network, x0, 5), expected)


@ON_GRAPHS
@STEPS
def test_k_gt_mixes_iterates_and_corrections(graph: nx.Graph, local_steps: int) -> None:
    problem, network = stochastic(), Network.from_networkx(graph)
    gradient, step, relaxation, w = gradient_at(problem), 0.05, 0.6, network.matrix().numpy()
    x, c = [np.random.default_rng(0).standard_normal((6, 3))], np.zeros((6, 3))
    for k in range(1, 16):
        new = x[-1]
        for t in range(local_steps):
            new = new - step * (gradient(k, t, new) + c)
        z = (x[-1] - new) / (local_steps * step)
        x.append(
            np.stack(
                [sum(w[i, j] * (x[-1] - relaxation * local_steps * step * z)[j] for j in graph) for i in sorted(graph)]
            )
        )
        c = c - z + w @ z
    assert abs(c).max() > 0.1
    assert abs(c.sum(axis=0)).max() < 1e-12
    ours = iterates(KGT(step, relaxation, local_steps), problem, network, torch.from_numpy(x[0]), 15)
    torch.testing.assert_close(torch.stack(ours), torch.from_numpy(np.stack(x)), rtol=1e-10, atol=1e-10)


def test_k_gt_with_one_local_step_is_gradient_tracking() -> None:
    problem, network, x = least_squares(), Network.from_networkx(GRAPHS["ring"]), torch.randn(6, 3)
    w, expected, g = network.matrix(), [x], problem.gradient(x)
    tracker = g
    for _ in range(10):
        x = w @ (x - 0.1 * tracker)
        tracker, g = w @ tracker + problem.gradient(x) - g, problem.gradient(x)
        expected.append(x)
    torch.testing.assert_close(iterates(KGT(0.1, 1.0, 1), problem, network, expected[0], 10), expected)


@pytest.mark.parametrize("method", [DiNNO(0.1, 0.1, 3), KGT(0.1, 1.0, 3), LTADMM(0.1, 0.1, 3), ProxSkip(0.1, 3)])
def test_every_local_step_has_its_draw(method: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    original = Stochastic.local_draw
    monkeypatch.setattr(Stochastic, "local_draw", lambda self, t: (seen.append(t), original(self, t))[1])
    iterates(method, stochastic(), Network.from_networkx(GRAPHS["ring"]), torch.zeros(6, 3), 2)
    assert seen == [0, 1, 2] * 2


@pytest.mark.parametrize("method", [DiNNO, DiNNOAdam, KGT])
def test_local_steps_are_whole_numbers(method: Any) -> None:
    with pytest.raises(InputError, match=r"needs a whole number of local steps, got 2\.5; try 2"):
        method(0.1, 0.1, 2.5)
    with pytest.raises(InputError, match="needs a finite local_steps > 0"):
        method(0.1, 0.1, 0)
