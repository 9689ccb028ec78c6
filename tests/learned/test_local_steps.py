"""Local steps of MiLoDo's rule between two rounds, and of modules that are trained with them."""

import dataclasses
from itertools import islice
from typing import Any

import networkx as nx
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import gnn_l2o
from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import spent
from gnn_l2o.algorithms.driver import run
from gnn_l2o.graph.network import Network
from gnn_l2o.learned import ConstantCoefficients, load_model
from gnn_l2o.learned.matrix_milodo import MatrixMiLoDo, MatrixMiLoDoArchitecture
from gnn_l2o.learned.milodo import MiLoDo
from gnn_l2o.learned.schedule import RecomputeSchedule
from gnn_l2o.nn.lstm import CoordinateLSTM
from gnn_l2o.nn.state import MiLoDoState
from gnn_l2o.problems import NeuralNetwork, Problem, Stochastic, solve
from gnn_l2o.problems.regularizers import L1
from tests.handcrafted.local_steps import ON_GRAPHS, STEPS, least_squares


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
