"""Min-max problems and the methods for them, against what is known exactly."""

import math
from itertools import islice
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor

from gnn_l2o import evaluate, plugins
from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.driver import run
from gnn_l2o.evaluation import Reference
from gnn_l2o.evaluation.metrics import METRICS
from gnn_l2o.evaluation.selection import why_not
from gnn_l2o.graph.build import build_network
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import GDA, HANDCRAFTED, Extragradient, Halpern, OptimisticGDA
from gnn_l2o.problems import MinMax, QuadraticMinMax, solve
from gnn_l2o.problems.games import matrix_game
from gnn_l2o.problems.regularizers import L1, Zero
from gnn_l2o.testing.runs import small_problem

GAMES = ("saddle", "rotated_saddle", "seesaw", "matrix_game")
METHODS = (GDA, Extragradient, OptimisticGDA, Halpern)
ONE = build_network("path", 1)


def sample(spec: str, network: Network = ONE, seed: int = 0) -> MinMax:
    return plugins.load("dataset", spec)(network, seed=seed)


def ring(nodes: int) -> Network:
    return Network.from_networkx(nx.cycle_graph(nodes))


def trajectory(method, problem: MinMax, network: Network, steps: int) -> list[Tensor]:
    return [s.x for s in islice(run(method, problem, network, problem.initial_point()), steps + 1)]


def game_of(matrix: Tensor) -> QuadraticMinMax:
    start = {"u": torch.ones(len(matrix)).double(), "v": torch.ones(matrix.size(1)).double()}
    return QuadraticMinMax.from_nodes(matrix_game, [matrix], x0=start)


# Problems


@pytest.mark.parametrize("name", GAMES)
def test_the_field_descends_in_u_and_ascends_in_v(name: str) -> None:
    problem = sample(name, ring(3))
    x = problem.initial_point().clone().requires_grad_()
    (slope,) = torch.autograd.grad(problem.loss(x).sum(), x)
    half = problem.dim // 2
    torch.testing.assert_close(problem.gradient(x)[:, :half], slope[:, :half])
    torch.testing.assert_close(problem.gradient(x)[:, half:], -slope[:, half:])
    assert problem.shapes == ((half,), (half,))
    assert problem.maximized.tolist() == [False] * half + [True] * half


def test_payoffs_are_those_of_their_formulas() -> None:
    u, v = 0.3, -0.2
    x = torch.tensor([[u, v]]).double()
    for name, formula in {
        "saddle": lambda a, b: a * u**2 - b * v**2,
        "rotated_saddle": lambda a, b: a * u**2 - b * v**2 + 2 * u * v,
        "seesaw": lambda a, b: -b * v * math.sin(a * math.pi * u),
    }.items():
        problem = sample(name)
        assert float(problem.loss(x)) == pytest.approx(formula(*map(float, problem.data[0])), rel=1e-12)
    problem = sample("matrix_game")
    x = torch.randn(1, 10).double()
    assert float(problem.loss(x)) == pytest.approx(float(x[0, :5] @ problem.data[0][0] @ x[0, 5:]), rel=1e-12)


def test_parameters_are_drawn_as_published() -> None:
    for name in ("saddle", "rotated_saddle"):
        numbers = torch.tensor(sample(name, ring(200)).data)
        assert 0.9 <= numbers.min() < 0.91 < 0.99 < numbers.max() <= 1
    matrices = torch.stack([d[0] for d in sample("matrix_game", ring(200)).data])
    filled = matrices[matrices > 0]
    assert 0.5 <= filled.min() < 0.51 < 0.99 < filled.max() <= 1
    assert abs(filled.numel() / matrices.numel() - 0.5) < 0.03
    starts = torch.cat([sample("matrix_game", seed=s).initial_point() for s in range(50)])
    assert -0.5 <= starts.min() < -0.45 < 0.45 < starts.max() <= 0.5
    singular = sum(int(torch.linalg.matrix_rank(m)) < 5 for m in matrices)
    assert 0.2 < singular / 200 < 0.45  # the docstring says a third


def test_objective_is_the_residual_and_its_bound_zero() -> None:
    problem = sample("rotated_saddle", ring(4))
    a, b = torch.tensor(problem.data).mean(dim=0).tolist()
    u, v = 0.4, 0.1
    expected = math.hypot(2 * a * u + 2 * v, 2 * b * v - 2 * u)
    assert float(problem.objective(torch.tensor([[u, v]]).double())) == pytest.approx(expected, rel=1e-12)
    solution = solve(problem)
    assert solution.value.tolist() == [0.0]
    with pytest.raises(InputError, match="average of the nodes"):
        problem.objective_at_nodes(problem.initial_point())


def test_smoothness_is_the_lipschitz_constant_of_the_field() -> None:
    problem = sample("matrix_game", ring(3))
    expected = [float(torch.linalg.matrix_norm(d[0], 2)) for d in problem.data]
    torch.testing.assert_close(problem.smoothness().flatten(), torch.tensor(expected).double())


def test_distance_from_the_saddle_points_of_a_singular_game() -> None:
    problem = game_of(torch.tensor([[2.0, 0.0], [0.0, 0.0]]).double())  # saddle points: all (0, s, 0, t)
    x = torch.tensor([[3.0, 7.0, 4.0, -9.0]]).double()
    torch.testing.assert_close(problem.saddle_distance(x), torch.tensor([5.0]).double())
    both = QuadraticMinMax.concatenate([problem, game_of(torch.eye(2).double())])
    expected = torch.tensor([5.0, float(x.norm())]).double()
    torch.testing.assert_close(both.saddle_distance(x.repeat(2, 1)), expected)


def test_distance_from_the_saddle_points_of_a_seesaw() -> None:
    problem = sample("seesaw", ring(3))
    a = float(problem.data[0][0])
    assert all(float(d[0]) == a for d in problem.data)
    x = torch.tensor([[2.1 / a, 0.3]]).double()
    torch.testing.assert_close(problem.saddle_distance(x), torch.tensor([math.hypot(0.1 / a, 0.3)]).double())
    assert float(problem.objective(torch.tensor([[2 / a, 0.0]]).double())) < 1e-12


def test_only_players_and_no_regularizer_make_a_min_max_problem() -> None:
    start = {"u": torch.ones(1), "v": torch.ones(1)}
    with pytest.raises(InputError, match="x0 of a min-max problem is"):
        QuadraticMinMax.from_nodes(matrix_game, [torch.ones(1, 1)], x0={"v": torch.ones(1), "u": torch.ones(1)})
    with pytest.raises(InputError, match="no regularizer, got L1"):
        QuadraticMinMax.from_nodes(matrix_game, [torch.ones(1, 1)], x0=start, regularizer=L1(0.1))
    with pytest.raises(InputError, match="density is a probability above 0, got 0"):
        sample("matrix_game:density=0")


# Methods


def test_gda_is_its_matrix_on_the_rotated_saddle() -> None:
    problem, eta, steps = sample("rotated_saddle"), 0.1, 100
    a, b = map(float, problem.data[0])
    matrix = np.eye(2) - eta * np.array([[2 * a, 2], [-2, 2 * b]])
    found = trajectory(GDA(step_size=eta), problem, ONE, steps)
    expected = np.linalg.matrix_power(matrix, steps) @ found[0].numpy()[0]
    np.testing.assert_allclose(found[-1].numpy()[0], expected, rtol=1e-9)
    radius = np.abs(np.linalg.eigvals(matrix)).max()
    rate = float(found[-1].norm() / found[steps // 2].norm()) ** (2 / steps)
    assert rate == pytest.approx(radius, rel=2e-3)


def pairs(matrix: Tensor, x: Tensor) -> Tensor:
    """Return the squared norms of the pairs of coordinates of x in the singular vectors of a game: ``(k,)``."""
    left, _, right = torch.linalg.svd(matrix)
    u, v = x[0].split(len(matrix))
    return (left.T @ u).square() + (right @ v).square()


def test_gda_grows_on_a_matrix_game_by_the_exact_factor() -> None:
    problem, eta = sample("matrix_game"), 0.2
    matrix = problem.data[0][0]
    found = trajectory(GDA(step_size=eta), problem, ONE, 40)
    factor = 1 + eta**2 * torch.linalg.svdvals(matrix).square()
    torch.testing.assert_close(pairs(matrix, found[-1]), factor**40 * pairs(matrix, found[0]))


def test_extragradient_shrinks_on_a_matrix_game_by_the_exact_factor() -> None:
    problem = sample("matrix_game")
    matrix = problem.data[0][0]
    sigma = torch.linalg.svdvals(matrix)
    eta = 0.9 / float(sigma.max())
    found = trajectory(Extragradient(step_size=eta), problem, ONE, 25)
    factor = (1 - eta**2 * sigma**2).square() + eta**2 * sigma**2
    torch.testing.assert_close(pairs(matrix, found[-1]), factor**25 * pairs(matrix, found[0]))


def test_optimistic_gda_is_its_recursion() -> None:
    problem, eta = sample("matrix_game"), 0.1
    matrix = problem.data[0][0].numpy()

    def field(x: np.ndarray) -> np.ndarray:
        return np.concatenate([matrix @ x[5:], -matrix.T @ x[:5]])

    x = problem.initial_point().numpy()[0]
    last, expected = field(x), [x]
    for _ in range(30):
        now = field(x)
        x, last = x - 2 * eta * now + eta * last, now
        expected.append(x)
    found = torch.cat(trajectory(OptimisticGDA(step_size=eta), problem, ONE, 30)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("seed", range(3))
def test_the_residual_of_halpern_falls_like_one_over_k(seed: int) -> None:
    problem = sample("matrix_game", seed=seed)
    lipschitz = float(problem.smoothness())
    found = trajectory(Halpern(step_size=1 / (8 * lipschitz)), problem, ONE, 2000)
    residuals = problem.objective(found[0]).new_tensor([float(problem.objective(x)) for x in found])
    start = float(problem.saddle_distance(found[0]))
    k = torch.arange(2001)
    bound = math.sqrt(260) * lipschitz * start / (k + 1)
    assert bool((residuals <= bound).all())
    # On a bilinear game it is not faster than this order either: k times the residual levels off.
    late, later = (residuals[m] * m for m in (1000, 2000))
    assert 0.3 < later / late < 3


@pytest.mark.parametrize("method", METHODS)
def test_over_a_network_the_step_is_followed_by_mixing(method) -> None:
    network, problem = ring(5), sample("rotated_saddle", ring(5))
    weights, x0, eta = network.matrix(), problem.initial_point() + torch.randn(5, 2).double(), 0.1
    first = next(islice(run(method(step_size=eta), problem, network, x0), 1, None)).x
    field = problem.local_gradient(x0)
    there = problem.local_gradient(x0 - eta * field)
    torch.testing.assert_close(first, weights @ (x0 - eta * (field if method in (GDA, OptimisticGDA) else there)))


@pytest.mark.parametrize("method", [Extragradient, OptimisticGDA])
def test_nodes_agree_on_the_saddle_point_that_they_have_in_common(method) -> None:
    problem = sample("matrix_game", ring(6))
    step = 0.5 / float(problem.smoothness().max())
    last = trajectory(method(step_size=step), problem, ring(6), 3000)[-1]
    assert float(problem.saddle_distance(last).max()) < 1e-6


def test_equal_payoffs_at_all_nodes_make_the_centralized_method() -> None:
    one = sample("matrix_game")
    matrix = one.data[0][0]
    start = {"u": one.initial_point()[0, :5], "v": one.initial_point()[0, 5:]}
    many = QuadraticMinMax.from_nodes(matrix_game, [matrix] * 4, x0=start)
    for method in METHODS:
        alone = trajectory(method(step_size=0.1), one, ONE, 20)[-1]
        torch.testing.assert_close(trajectory(method(step_size=0.1), many, ring(4), 20)[-1], alone.expand(4, -1))


# Evaluation


@pytest.mark.parametrize("name", sorted(HANDCRAFTED))
def test_minimizers_and_methods_for_games_refuse_each_others_problems(name: str) -> None:
    method = HANDCRAFTED[name]
    game = why_not(method, sample("saddle", ring(3)), ring(3), stochastic=method.stochastic)
    plain = why_not(method, small_problem(3, Zero()), ring(3), stochastic=True)
    if method in METHODS:
        assert game is None
        assert plain is not None
        assert "for min-max problems" in plain
    else:
        assert game is not None
        assert "min-max" in game


def test_metrics_of_games_do_not_apply_elsewhere() -> None:
    problem, game = small_problem(3, L1(0.1)), sample("saddle", ring(3))
    for name in ("residual", "saddle_distance"):
        solution = solve(problem)
        metric = METRICS[name]()
        assert not metric.applies(Reference(problem, solution.x, solution.value, problem.initial_point()))
        reference = Reference(game, solve(game).x, solve(game).value, game.initial_point())
        assert metric.applies(reference)
        assert float(metric.values(reference, game.initial_point())) > 0
        assert float(metric.values(reference, torch.zeros(3, 2).double())) == 0


@pytest.mark.usefixtures("quick_figures")
def test_an_evaluation_ranks_them(tmp_path: Path) -> None:
    results = evaluate(
        models=[],
        algorithms=["gda", "extragradient", "prox_ed"],
        datasets=["rotated_saddle"],
        topologies=["ring"],
        nodes=[4],
        instances=1,
        iterations=100,
        tuning_budget=6,
        tuning_instances=1,
        limits=[],
        output=tmp_path,
    )
    (case,) = results.cases
    assert results.final_gap(case, "extragradient") < 1e-3
    assert "min-max" in (tmp_path / "report.md").read_text()  # why prox_ed is left out
