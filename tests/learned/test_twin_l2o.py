"""Twin-L2O against the loop of two players, and what it refuses."""

import dataclasses
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
from gnn_l2o.handcrafted import Extragradient, Halpern
from gnn_l2o.learned import RNNPropArchitecture, TwinL2OArchitecture
from gnn_l2o.learned.field_safeguard import FieldSafeguard
from gnn_l2o.learned.model import with_run_settings
from gnn_l2o.problems import MinMax, QuadraticMinMax
from gnn_l2o.problems.games import matrix_game
from gnn_l2o.problems.regularizers import L1
from gnn_l2o.testing import check_learned_optimizer
from gnn_l2o.testing.learned import random_algorithm
from gnn_l2o.testing.runs import small_problem
from gnn_l2o.training import Stage, TrainingConfig
from gnn_l2o.training.batch import Batch
from gnn_l2o.training.losses import PayoffDifferences
from gnn_l2o.training.mixture import fitted
from gnn_l2o.training.pool import Pool
from gnn_l2o.training.trainer import TrainingRun
from tests.training.small_rnnprop import CONFIG

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


# The safeguard


def residual(matrix: Tensor, u: Tensor, v: Tensor) -> float:
    return float(torch.cat([v @ matrix.T, u @ matrix], dim=1).norm())


@pytest.mark.parametrize("fallback", ["halpern", "extragradient"])
def test_at_one_node_the_safeguard_is_a_loop_that_never_returns_to_learned_steps(fallback: str) -> None:
    algorithm = random_algorithm(TwinL2OArchitecture(hidden_features=6, safeguard=fallback))
    problem, weights = game(), algorithm.weights
    matrix = problem.data[0][0]
    u, v = problem.initial_point().chunk(2, dim=1)
    first, second = weights.minimizer.initial_states(u), weights.maximizer.initial_states(v)
    begun = residual(matrix, u, v)
    with torch.no_grad():
        for k in range(40):
            if residual(matrix, u, v) > 2 * begun / (1 + k / 20) ** 3:
                break
            own, other = v @ matrix.T, -(u @ matrix)
            out, first = weights.minimizer(torch.stack([own, other], dim=-1), first)
            u = u + 0.1 * out
            own, other = -(u @ matrix), v @ matrix.T
            out, second = weights.maximizer(torch.stack([own, other], dim=-1), second)
            v = v + 0.1 * out
    assert 2 < k < 30  # it has learned nothing
    lipschitz = float(torch.linalg.matrix_norm(matrix, 2))
    method = (
        Halpern(step_size=1 / (8 * lipschitz)) if fallback == "halpern" else Extragradient(step_size=0.5 / lipschitz)
    )
    *_, last = islice(run(method, problem, ONE, torch.cat([u, v], dim=1)), 41 - k)
    torch.testing.assert_close(trajectory(algorithm, problem, ONE, 40)[-1], last.x)


def test_nodes_fall_back_by_themselves_and_then_take_the_step_of_the_fallback() -> None:
    network = Network.from_networkx(nx.cycle_graph(6))
    problem, algorithm = game(network), random_algorithm(TwinL2OArchitecture(hidden_features=6, safeguard="halpern"))
    mixing = network.matrix()
    with torch.no_grad():
        found = list(islice(run(algorithm, problem, network, problem.initial_point()), 60))
    fallen = torch.stack([s.safeguard.fallen[:, 0] for s in found])
    assert fallen[-1].all() and (fallen.any(dim=1) & ~fallen.all(dim=1)).any()
    assert not (fallen[:-1] & ~fallen[1:]).any()
    begun = problem.local_gradient(found[0].x).norm(dim=1)
    since = [int(fallen[:, i].nonzero()[0]) - 1 for i in range(6)]  # the iteration in which node i falls back
    for i, m in enumerate(since):
        size = torch.stack([problem.local_gradient(s.x).norm(dim=1)[i] for s in found[: m + 1]])
        kept = size <= 2 * begun[i] / (1 + torch.arange(m + 1) / 20) ** 3
        assert kept[:-1].all() and not kept[-1]
    step, k, x = 1 / (8 * problem.smoothness()), 58, found[58].x
    anchor = torch.stack([found[m].x[i] for i, m in enumerate(since)])
    base = x + (anchor - x) / torch.tensor([[k - m + 2] for m in since])
    moved = base - step * problem.local_gradient(base - step * problem.local_gradient(x))
    torch.testing.assert_close(found[59].x, mixing @ moved)


def test_a_field_above_the_bound_or_no_number_is_not_forgiven() -> None:
    problem = game(Network.from_networkx(nx.path_graph(4)))
    x = problem.initial_point()
    safeguard = FieldSafeguard.first("halpern", problem, x)
    # The bound of the second iteration is 2 / 1.05 ** 3 = 1.7277.
    for sizes in ([1.0] * 4, [1.72, 1.73, torch.nan, 1.0], [0.1] * 4):
        field = torch.zeros_like(x)
        field[:, 3] = torch.tensor(sizes)
        safeguard = safeguard.observe(x, field)
    assert safeguard.fallen[:, 0].tolist() == [False, True, True, False]


@pytest.mark.parametrize("safeguard", ["none", "extragradient"])
def test_renaming_the_nodes_renames_their_iterates(safeguard: str) -> None:
    network, order = Network.from_networkx(nx.path_graph(5)), torch.tensor([3, 0, 4, 1, 2])
    algorithm, problem = random_algorithm(TwinL2OArchitecture(hidden_features=6, safeguard=safeguard)), game(network)
    place = order.argsort().tolist()  # old node order[k] is the new node k
    renamed = Network.from_edges([(place[int(i)], place[int(j)]) for i, j in network.link_index.t()], 5)
    start = {"u": problem.initial_point()[0, :5], "v": problem.initial_point()[0, 5:]}
    same = QuadraticMinMax.from_nodes(matrix_game, [problem.data[int(k)] for k in order], x0=start)
    found = trajectory(algorithm, problem, network, 30)[-1]
    torch.testing.assert_close(trajectory(algorithm, same, renamed, 30)[-1], found[order])


def test_the_safeguard_keeps_the_contract_and_is_a_choice_of_a_run() -> None:
    algorithm = random_algorithm(TwinL2OArchitecture(hidden_features=6))
    guarded = with_run_settings(algorithm, "safeguard=halpern")
    expected = random_algorithm(TwinL2OArchitecture(hidden_features=6, safeguard="halpern"))
    problem = game()
    assert torch.equal(trajectory(guarded, problem, ONE, 30)[-1], trajectory(expected, problem, ONE, 30)[-1])
    check_learned_optimizer(TwinL2OArchitecture(hidden_features=6, safeguard="halpern"))


# The loss


def test_payoff_differences_are_those_of_the_players_in_turn() -> None:
    problem, random = game(), torch.Generator().manual_seed(0)
    matrix, loss = problem.data[0][0], PayoffDifferences()
    batch = Batch(problem, ONE, torch.zeros(1).double(), torch.ones(1).double())
    points = [torch.randn(1, 10, generator=random, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    value = loss.segment_loss(batch, range(1, 4), {k: loss.optimality_gap(batch, x) for k, x in enumerate(points, 1)})
    (u0, v0), (u1, v1), (u2, v2) = (x[0].split(5) for x in points)
    differences = [
        u1 @ matrix @ v0 - u0 @ matrix @ v0 + u1 @ matrix @ v0 - u1 @ matrix @ v1,
        u2 @ matrix @ v1 - u1 @ matrix @ v1 + u2 @ matrix @ v1 - u2 @ matrix @ v2,
    ]
    torch.testing.assert_close(value, sum(differences) / 2)
    (last,) = torch.autograd.grad(value, points[2])
    # The last u counts against v before it moved, the last v against the last u.
    torch.testing.assert_close(last[0], torch.cat([matrix @ v1, -matrix.T @ u2]) / 2)


def test_a_loss_of_games_is_for_games() -> None:
    config = TrainingConfig(dataset=("lasso",), architecture=RNNPropArchitecture(), loss="payoff_differences")
    with pytest.raises(InputError, match="'payoff_differences' does not apply to a LeastSquares"):
        fitted(config)


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
    config = dataclasses.replace(
        CONFIG,
        dataset=("rotated_saddle",),
        architecture=TwinL2OArchitecture(hidden_features=6),
        validation_iterations=20,
        loss="log_gap",
        stages=(Stage(1e-2, 10, 20, 8),),
    )
    training = TrainingRun(config, tmp_path)
    training.run()
    start = training.progress.curve[0].validation
    assert training.progress.best < start - 0.05


def test_games_of_two_kinds_are_batches_of_their_own() -> None:
    architecture = TwinL2OArchitecture(hidden_features=6)
    config = dataclasses.replace(CONFIG, dataset=("rotated_saddle", "saddle"), architecture=architecture)
    pool = Pool(config, "training", 8, torch.float64)
    functions = [{b.problem.function.__name__ for b in members} for members in pool.groups]
    assert sorted(map(sorted, functions)) == [["rotated_saddle"], ["saddle"]]
