"""Local steps between two rounds: their draws, DiNNO and K-GT against dense loops, and those of MiLoDo's rule."""

import dataclasses
from collections.abc import Callable
from itertools import islice
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import gnn_l2o
from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import Algorithm, spent
from gnn_l2o.algorithms.driver import run
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import ADMM, KGT, LTADMM, DiNNO, DiNNOAdam, ProxSkip
from gnn_l2o.learned import ConstantCoefficients, load_model
from gnn_l2o.learned.matrix_milodo import MatrixMiLoDo, MatrixMiLoDoArchitecture
from gnn_l2o.learned.milodo import MiLoDo
from gnn_l2o.learned.schedule import RecomputeSchedule
from gnn_l2o.nn.lstm import CoordinateLSTM
from gnn_l2o.nn.state import MiLoDoState
from gnn_l2o.problems import LeastSquares, NeuralNetwork, Problem, Stochastic, solve
from gnn_l2o.problems.regularizers import L1, Zero

GRAPHS = {
    "ring": nx.cycle_graph(6),
    "star": nx.star_graph(5),
    "erdos_renyi": nx.gnp_random_graph(6, 0.6, seed=1),
}
ON_GRAPHS = pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS.keys())
STEPS = pytest.mark.parametrize("local_steps", [1, 3])


def least_squares(regularizer: Any = None) -> LeastSquares:
    random = np.random.default_rng(3)
    features = random.standard_normal((6, 7, 3)) * np.linspace(0.5, 1.5, 6)[:, None, None]
    return LeastSquares.from_nodes(list(features), list(random.standard_normal((6, 7))), regularizer or Zero())


def stochastic() -> Stochastic:
    return Stochastic(least_squares(), batch_size=3, seed=2)


@torch.no_grad()
def iterates(algorithm: Algorithm[Any], problem: Problem, network: Network, x0: Tensor, count: int) -> list[Tensor]:
    return [state.x for state in islice(run(algorithm, problem, network, x0), count + 1)]


# Draws.


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


# Methods over the draws, node by node.


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


# MiLoDo's rule.


def shards() -> list[tuple[Tensor, Tensor]]:
    return [(torch.randn(8, 5), torch.randint(3, (8,))) for _ in range(4)]


def classifier() -> NeuralNetwork:
    module = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))
    return NeuralNetwork.from_nodes(module, F.cross_entropy, shards())


def path() -> Network:
    return Network.from_networkx(nx.path_graph(4))


def optimizer(local_steps: int = 1) -> MatrixMiLoDo:
    """Coefficients that vary with the node, edge, block and iteration."""
    architecture = MatrixMiLoDoArchitecture(hidden_features=4)
    weights = architecture.build()
    architecture.initialize(weights, "averaging", None)
    for lstm in (m for m in weights.modules() if isinstance(m, CoordinateLSTM)):
        nn.init.uniform_(lstm.outer.weight, -1, 1)
    return dataclasses.replace(architecture.algorithm(weights), local_steps=local_steps)


@torch.no_grad()
def after(algorithm: MiLoDo, problem: Problem, network: Network, steps: int) -> MiLoDoState:
    return next(islice(run(algorithm, problem, network, problem.initial_point()), steps, None))


@torch.no_grad()
@STEPS
@pytest.mark.parametrize("warmup", [9, 2], ids=["recomputed", "frozen"])
def test_a_round_is_its_local_steps_and_an_exchange(local_steps: int, warmup: int) -> None:
    problem, network = Stochastic(classifier(), batch_size=3, seed=0), path()
    algorithm = dataclasses.replace(optimizer(local_steps), schedule=RecomputeSchedule(warmup=warmup))
    before = after(algorithm, problem, network, 4)
    state = algorithm.step(problem.draw(5), network, before)
    coefficients = state.coefficients
    assert coefficients is not None
    z = before.extrapolated
    for t in range(local_steps):
        direction = problem.draw(5).local_draw(t).gradient(z) + before.y
        z = z - coefficients.preconditioner / local_steps * state.memory.whitening.apply(direction)
    x, y = z.clone(), before.y.clone()
    for e, (i, j) in enumerate(network.link_index.T.tolist()):
        for here, there in ((i, j), (j, i)):
            y[here] += coefficients.dual_step_size[e] * (z[here] - z[there])
            x[here] -= coefficients.mixing_weight[e] * (z[here] - z[there])
    torch.testing.assert_close((state.x, state.y, state.z), (x, y, z))
    torch.testing.assert_close(state.extrapolated, x + coefficients.momentum * (x - before.x))


@torch.no_grad()
def test_one_local_step_is_the_rule_bit_for_bit() -> None:
    problem, network, algorithm = classifier(), path(), optimizer()
    before = after(algorithm, problem, network, 3)
    state = algorithm.step(problem, network, before)
    p, direction = state.coefficients.preconditioner, problem.gradient(before.extrapolated) + before.y
    assert torch.equal(state.z, before.extrapolated - p * state.memory.whitening.apply(direction))
    dual = network.collect(state.coefficients.dual_step_size * network.differences(state.z))
    assert torch.equal(state.y, before.y + dual)


@torch.no_grad()
@pytest.mark.parametrize("local_steps", [1, 2, 8])
def test_a_stationary_consensus_with_its_duals_is_a_fixed_point_for_any_number_of_local_steps(local_steps: int) -> None:
    problem, network, algorithm = classifier(), path(), optimizer(local_steps)
    x = problem.initial_point()
    gradient = problem.gradient(x)
    state = dataclasses.replace(algorithm.init(problem, network, x), y=-gradient)
    for _ in range(3):
        state = algorithm.step(problem, network, state)
        torch.testing.assert_close((state.x, state.y), (x, -gradient), rtol=0, atol=1e-12)


@torch.no_grad()
def test_the_duals_sum_to_zero_with_local_steps() -> None:
    state = after(optimizer(4), classifier(), path(), 20)
    assert state.y.abs().max() > 1e-4
    assert state.y.sum(dim=0).abs().max() < 1e-12


@ON_GRAPHS
def test_local_steps_with_a_regularizer_converge_to_the_same_solution(graph: nx.Graph) -> None:
    problem, network = least_squares(L1(0.1)), Network.from_networkx(graph)
    x = after(MiLoDo(ConstantCoefficients(0.3, 0.5, 0.9), local_steps=3), problem, network, 2500).x
    torch.testing.assert_close(x, solve(problem).x.expand(6, -1), rtol=1e-8, atol=1e-8)


@torch.no_grad()
@pytest.mark.parametrize("local_steps", [1, 4])
def test_what_is_counted_is_what_it_costs(local_steps: int) -> None:
    problem, network, algorithm = Stochastic(classifier(), batch_size=3, seed=0), path(), optimizer(local_steps)
    after(algorithm, problem, network, 7)
    assert spent(problem, network) == algorithm.total_cost(7, problem.shapes)
    assert algorithm.cost.gradients == local_steps
    assert algorithm.has_local_work == (local_steps > 1)


@pytest.mark.parametrize("local_steps", [0, -1])
def test_there_is_a_local_step(local_steps: int) -> None:
    expected = f"local_steps must be at least 1, got {local_steps}"
    with pytest.raises(InputError, match=expected):
        dataclasses.replace(optimizer(), local_steps=local_steps)
    with pytest.raises(InputError, match=expected):
        train(local_steps=local_steps)


# Training a module.


def train(**kwargs: Any) -> Any:
    settings = {"batch_size": 4, "iterations": 15, **kwargs}
    return gnn_l2o.train_module(lambda: nn.Linear(5, 3), F.cross_entropy, shards(), path(), **settings)


def test_a_module_is_trained_by_local_steps() -> None:
    losses = {}
    for steps in (1, 4):
        torch.manual_seed(0)
        history = train(local_steps=steps).history
        losses[steps] = history[-1].loss / history[0].loss
    assert max(losses.values()) < 0.99
    assert losses[4] != losses[1]
    algorithm = dataclasses.replace(load_model("milodo_mlp"), local_steps=4)
    torch.manual_seed(0)
    chosen = train(optimizer=algorithm).history
    assert chosen[-1].loss / chosen[0].loss == losses[4]


def test_methods_have_local_steps_among_their_parameters() -> None:
    message = "local_steps is for trained optimizers of MiLoDo's rule, such as milodo_mlp, got dinno; methods with"
    parameters = {"step_size": 0.1, "penalty": 0.1, "local_steps": 2}
    with pytest.raises(InputError, match=message):
        train(optimizer="dinno", parameters=parameters, local_steps=2)
    assert len(train(optimizer="dinno", parameters=parameters).history) == 2
