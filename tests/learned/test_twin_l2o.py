"""Twin-L2O against the loop of two players, and what it refuses."""

from itertools import islice
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
import torch
from torch import Tensor

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.driver import run
from gnn_l2o.graph.build import build_network
from gnn_l2o.graph.network import Network
from gnn_l2o.learned import RNNPropArchitecture, TwinL2OArchitecture
from gnn_l2o.problems import MinMax, QuadraticMinMax
from gnn_l2o.problems.games import matrix_game
from gnn_l2o.problems.regularizers import L1
from gnn_l2o.testing import check_learned_optimizer
from gnn_l2o.testing.learned import random_algorithm
from gnn_l2o.testing.runs import small_problem
from gnn_l2o.training import Stage, TrainingConfig
from gnn_l2o.training.trainer import TrainingRun

ONE = build_network("path", 1)


def game(network: Network = ONE) -> MinMax:
    return plugins.load("dataset", "matrix_game")(network, seed=0)


def trajectory(algorithm: Any, problem: MinMax, network: Network, steps: int) -> list[Tensor]:
    with torch.no_grad():
        return [s.x for s in islice(run(algorithm, problem, network, problem.initial_point()), steps + 1)]


@pytest.mark.parametrize("zero_preserving", [False, True])
def test_at_one_node_the_players_move_in_turn(zero_preserving: bool) -> None:
    algorithm = random_algorithm(TwinL2OArchitecture(hidden_features=6, zero_preserving=zero_preserving))
    problem, weights = game(), algorithm.weights
    matrix = problem.data[0][0]
    u, v = problem.initial_point().chunk(2, dim=1)
    first, second = weights.minimizer.initial_states(u), weights.maximizer.initial_states(v)
    with torch.no_grad():
        for _ in range(15):
            own, other = v @ matrix.T, -(u @ matrix)  # the gradient in u, and the negative one in v
            out, first = weights.minimizer(torch.stack([own, other], dim=-1), first)
            u = u + 0.1 * out * (own if zero_preserving else 1)
            own, other = -(u @ matrix), v @ matrix.T
            out, second = weights.maximizer(torch.stack([own, other], dim=-1), second)
            v = v + 0.1 * out * (own if zero_preserving else 1)
    found = trajectory(algorithm, problem, ONE, 15)
    assert float((found[-1] - found[0]).abs().max()) > 1e-3
    torch.testing.assert_close(found[-1], torch.cat([u, v], dim=1))


def test_equal_payoffs_on_a_complete_graph_are_one_node() -> None:
    algorithm, one = random_algorithm(TwinL2OArchitecture(hidden_features=6)), game()
    start = {"u": one.initial_point()[0, :5], "v": one.initial_point()[0, 5:]}
    many = QuadraticMinMax.from_nodes(matrix_game, [one.data[0][0]] * 4, x0=start)
    network = Network.from_networkx(nx.complete_graph(4))
    alone = trajectory(algorithm, one, ONE, 10)[-1]
    torch.testing.assert_close(trajectory(algorithm, many, network, 10)[-1], alone.expand(4, -1))


@pytest.mark.parametrize("zero_preserving", [False, True])
def test_it_keeps_the_contract_and_only_the_variant_stays_at_a_saddle_point(zero_preserving: bool) -> None:
    architecture = TwinL2OArchitecture(hidden_features=6, zero_preserving=zero_preserving)
    check_learned_optimizer(architecture)
    problem, network = game(), Network.from_networkx(nx.cycle_graph(4))
    many = QuadraticMinMax.from_nodes(
        matrix_game, [problem.data[0][0]] * 4, x0={"u": torch.zeros(5), "v": torch.zeros(5)}
    )
    stays = not trajectory(random_algorithm(architecture), many, network, 5)[-1].any()
    assert stays == zero_preserving


def test_number_of_weights() -> None:
    # Two layers of 50 and one number for each player; torch's LSTM has a second bias a gate, 400 more for each.
    assert sum(p.numel() for p in TwinL2OArchitecture().build().parameters()) == 2 * 30_851


def test_other_problems_are_refused() -> None:
    algorithm = random_algorithm(TwinL2OArchitecture(hidden_features=6))
    uneven = QuadraticMinMax.from_nodes(matrix_game, [torch.ones(1, 3)], x0={"u": torch.ones(1), "v": torch.ones(3)})
    for problem, message in (
        (uneven, r"equally many coordinates; here x has the shapes \(\(1,\), \(3,\)\)"),
        (small_problem(1, L1(0.1)), "without a regularizer"),
    ):
        with pytest.raises(InputError, match=message):
            algorithm.init(problem, ONE, problem.initial_point().double())
    rnnprop = random_algorithm(RNNPropArchitecture(hidden_features=4))
    assert "min-max" in rnnprop.refusal(game(), ONE)


def test_training_lowers_the_residual(tmp_path: Path) -> None:
    config = TrainingConfig(
        dataset=("rotated_saddle",),
        architecture=TwinL2OArchitecture(hidden_features=6),
        topology=("path",),
        nodes=(1,),
        problems=8,
        validation_problems=4,
        validation_iterations=20,
        batch_size=8,
        loss="log_gap",
        stages=(Stage(1e-2, 10, 20, 8),),
    )
    training = TrainingRun(config, tmp_path)
    training.run()
    start = training.progress.curve[0].validation
    assert training.progress.best < start - 0.05
