"""L2O-Swarm: the equations of the paper particle by particle, and what a swarm promises."""

import dataclasses
import math
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
import torch
from torch import Tensor

from gnn_l2o import plugins
from gnn_l2o.algorithms.base import spent
from gnn_l2o.algorithms.driver import run
from gnn_l2o.evaluation import METRICS, Reference
from gnn_l2o.graph.build import build_network
from gnn_l2o.graph.network import Network
from gnn_l2o.learned import L2OSwarmArchitecture
from gnn_l2o.learned.l2o_swarm import L2OSwarmState
from gnn_l2o.problems import Problem, solve
from gnn_l2o.testing import check_learned_optimizer
from gnn_l2o.testing.learned import random_algorithm
from gnn_l2o.training import Stage
from gnn_l2o.training.batch import Batch
from gnn_l2o.training.losses import Particles
from gnn_l2o.training.trainer import TrainingRun
from tests.training.small_rnnprop import CONFIG

ONE, COMPLETE = build_network("path", 1), Network.from_networkx(nx.complete_graph(4))
RING = Network.from_networkx(nx.cycle_graph(5))


def function(network: Network = COMPLETE, features: int = 3, seed: int = 0) -> Problem:
    return plugins.load("dataset", f"rastrigin:features={features},shared=true")(network, seed=seed)


def swarm() -> Any:
    return random_algorithm(L2OSwarmArchitecture(hidden_features=5))


def trajectory(algorithm: Any, problem: Problem, network: Network, x0: Tensor, steps: int) -> list[L2OSwarmState]:
    with torch.no_grad():
        return list(islice(run(algorithm, problem, network, x0), steps + 1))


# The equations, for one particle after the other


def weighted(weights: Any, features: Tensor, h: Tensor) -> Tensor:
    """Return the attention over the features of a particle: ``(d, 4)`` and ``(d, H)`` to ``(d,)``."""
    rows, attention = [], weights.attention
    for phi, memory in zip(features, h, strict=True):
        around = attention.memory @ memory
        scores = torch.stack([attention.score @ torch.tanh(attention.feature * entry + around) for entry in phi])
        rows.append((scores.exp() / scores.exp().sum()) @ phi)
    return torch.stack(rows)


def particle_by_particle(algorithm: Any, problem: Problem, graph: nx.Graph, x: Tensor, steps: int) -> Tensor:
    weights, n = algorithm.weights, len(graph)
    m, best, record = torch.zeros_like(x), x, [math.inf] * n
    states = weights.lstm.initial_states(x)
    for _ in range(steps):
        g, f = problem.local_gradient(x), problem.loss(x)[:, 0].tolist()
        m = 0.9 * m + 0.1 * g
        best = torch.stack([x[i] if f[i] < record[i] else best[i] for i in range(n)])
        record = [min(f[i], record[i]) for i in range(n)]
        summaries = []
        for i in range(n):
            better = [j for j in graph[i] if f[j] < f[i]]
            near = [math.exp(-float((x[i] - x[j]).square().sum())) for j in better]
            pull = torch.zeros_like(x[i])
            for a, j in zip(near, better, strict=True):
                pull = pull + a / sum(near) * (x[i] - x[j])
            features = torch.stack([g[i], m[i], x[i] - best[i], pull], dim=1)
            summaries.append(weighted(weights, features, states[-1][0][i]))
        inputs = []
        for i in range(n):
            around = [i, *graph[i]]
            mu = torch.stack([(-(x[i] - x[j]).square().sum() / 2).exp() for j in around])
            q = torch.softmax(torch.stack([summaries[i] @ summaries[j] for j in around]), dim=0)
            weight = q * mu / mu.sum()
            attended = torch.stack([summaries[j] for j in around]).T @ weight
            inputs.append(summaries[i] + attended / len(around))
        move, states = weights.lstm(torch.stack(inputs).unsqueeze(-1), states)
        x = x + move
    return x


@pytest.mark.parametrize(
    "graph", [nx.complete_graph(4), nx.cycle_graph(5), nx.star_graph(3)], ids=["complete", "ring", "star"]
)
def test_it_is_the_equations_particle_by_particle(graph: nx.Graph) -> None:
    algorithm, network = swarm(), Network.from_networkx(graph)
    problem = function(network)
    x0 = problem.initial_point()
    with torch.no_grad():
        expected = particle_by_particle(algorithm, problem, graph, x0, 8)
    found = trajectory(algorithm, problem, network, x0, 8)[-1].x
    assert float((found - x0).abs().max()) > 0.1
    torch.testing.assert_close(found, expected)


def test_at_one_node_it_is_the_plain_loop_bit_for_bit() -> None:
    algorithm, problem = swarm(), function(ONE)
    weights, x = algorithm.weights, problem.initial_point()
    m, best, record = torch.zeros_like(x), x, torch.inf
    states = weights.lstm.initial_states(x)
    with torch.no_grad():
        for _ in range(20):
            g, f = problem.local_gradient(x), float(problem.loss(x))
            m = 0.9 * m + (1 - 0.9) * g
            best, record = (x, f) if f < record else (best, record)
            features = torch.stack([g, m, x - best, torch.zeros_like(x)], dim=-1)
            s = weights.attention(features, states[-1][0])
            move, states = weights.lstm((s + s).unsqueeze(-1), states)  # it attends to itself alone
            x = x + move
    found = trajectory(algorithm, problem, ONE, problem.initial_point(), 20)
    assert float((x - problem.initial_point()).abs().max()) > 0.1
    assert torch.equal(found[-1].x, x)


def test_it_keeps_the_contract_and_costs_two_vectors_and_a_number() -> None:
    check_learned_optimizer(L2OSwarmArchitecture(hidden_features=5))
    algorithm, problem = swarm(), function()
    network = Network.from_networkx(nx.complete_graph(4))
    state = algorithm.init(problem, network, problem.initial_point())
    before = spent(problem, network)
    algorithm.step(problem, network, state)
    counted = (spent(problem, network) - before).declarable
    assert counted == algorithm.cost
    assert (counted.rounds, counted.vectors, counted.numbers, counted.gradients) == (2, 2, 1, 1)


@pytest.mark.parametrize("network", [COMPLETE, RING], ids=["complete", "ring"])
def test_renaming_the_particles_renames_their_points(network: Network) -> None:
    algorithm, problem = swarm(), function(network)
    x0, n = problem.initial_point(), network.num_nodes
    order = torch.randperm(n, generator=torch.Generator().manual_seed(1))
    place = order.argsort().tolist()  # old node order[k] is the new node k
    renamed = Network.from_edges([(place[int(i)], place[int(j)]) for i, j in network.link_index.t()], n)
    found = trajectory(algorithm, problem, network, x0, 10)[-1].x
    torch.testing.assert_close(trajectory(algorithm, problem, renamed, x0[order], 10)[-1].x, found[order])


def test_equal_particles_stay_equal_and_are_a_single_one() -> None:
    algorithm, problem = swarm(), function()
    x0 = problem.initial_point()[:1].expand(4, -1).clone()
    found = trajectory(algorithm, problem, COMPLETE, x0, 10)
    for state in found:
        assert torch.equal(state.x, state.x[:1].expand(4, -1))
    # Nobody pulls, and attention shares its weight, mu q = 1/16 and 1/k of the sum, among equals.
    state = found[-1]
    gradient = problem.local_gradient(state.x)
    momentum = 0.9 * state.momentum + 0.1 * gradient
    improved = problem.loss(state.x) < state.best_value
    features = torch.stack(
        [gradient, momentum, state.x - torch.where(improved, state.x, state.best), torch.zeros_like(gradient)], dim=-1
    )
    with torch.no_grad():
        s = algorithm.weights.attention(features, state.states[-1][0])
        move, _ = algorithm.weights.lstm((s + s / 16).unsqueeze(-1), state.states)
        after = algorithm.step(problem, COMPLETE, state)
    torch.testing.assert_close(after.x, state.x + move)


def test_the_best_of_the_personal_bests_never_rises_and_is_attained() -> None:
    algorithm, problem = swarm(), function()
    states = trajectory(algorithm, problem, COMPLETE, problem.initial_point(), 30)
    records = [float(state.best_value.min()) for state in states]
    assert all(after <= before for before, after in pairwise(records))
    visited = torch.stack([problem.loss(state.x)[:, 0] for state in states[:-1]])
    torch.testing.assert_close(states[-1].best_value[:, 0], visited.amin(dim=0))
    torch.testing.assert_close(problem.loss(states[-1].best), states[-1].best_value)


def test_number_of_weights_and_any_dimension() -> None:
    for h in (7, 20):
        attention, first, second = h + h * h + h, 4 * h * (1 + h + 1), 4 * h * (2 * h + 1)
        count = sum(p.numel() for p in L2OSwarmArchitecture(hidden_features=h).build().parameters())
        assert count == attention + first + second + h + 1
    algorithm = swarm()
    for features in (1, 40):
        problem = function(features=features)
        assert trajectory(algorithm, problem, COMPLETE, problem.initial_point(), 3)[-1].x.isfinite().all()


def test_far_particles_do_not_overflow() -> None:
    algorithm, problem = swarm(), function()
    found = trajectory(algorithm, problem, COMPLETE, 1e3 * problem.initial_point(), 3)[-1]
    assert found.x.isfinite().all()


# What belongs to swarms: a function that all nodes share, the metric, and the loss


def test_shared_functions_begin_at_different_points() -> None:
    problem, alone = function(features=2), plugins.load("dataset", "rastrigin:features=2")(ONE, seed=0)
    x = torch.randn(1, 2, generator=torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(problem.loss(x.expand(4, -1)), alone.loss(x).expand(4, -1))
    start = problem.initial_point()
    torch.testing.assert_close(start[:1], alone.initial_point())
    assert torch.unique(start, dim=0).size(0) == 4


def test_the_metric_and_the_loss_are_of_particles() -> None:
    problem = function()
    solution = solve(problem)
    reference = Reference(problem, solution.x, solution.value, problem.initial_point())
    x = problem.initial_point()
    values = [float(problem.objective(point.unsqueeze(0))) for point in x]
    metric = METRICS["best_particle"]()
    assert metric.applies(reference)
    torch.testing.assert_close(metric.values(reference, x), torch.tensor([min(values)]).double())
    game = plugins.load("dataset", "saddle")(ONE, seed=0)
    zero = torch.zeros(1).double()
    assert not metric.applies(Reference(game, game.initial_point(), zero, game.initial_point()))

    batch = Batch(problem, COMPLETE, solution.value, problem.objective(problem.average(x)))
    scale = batch.initial_objective - batch.optimum
    gaps = torch.cat([(problem.objective(point.unsqueeze(0)) - batch.optimum) / scale for point in x])
    loss = Particles()
    torch.testing.assert_close(loss.optimality_gap(batch, x), gaps.mean(dim=0, keepdim=True))
    torch.testing.assert_close(loss.validation_optimality_gap(batch, x), gaps.amin(dim=0, keepdim=True))


def test_training_lowers_the_objective_of_the_best_particle(tmp_path: Path) -> None:
    config = dataclasses.replace(
        CONFIG,
        dataset=("rastrigin:features=2,shared=true",),
        architecture=L2OSwarmArchitecture(hidden_features=6),
        topology=("complete",),
        nodes=(4,),
        validation_iterations=20,
        loss="particles",
        stages=(Stage(1e-2, 10, 20, 6),),
    )
    training = TrainingRun(config, tmp_path)
    training.run()
    assert training.progress.best < training.progress.curve[0].validation - 0.02
