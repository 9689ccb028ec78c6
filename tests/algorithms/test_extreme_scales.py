"""Nodes without data, with little of it, or with data of other scales: runs stay finite and converge."""

import functools

import numpy as np
import pytest
import torch

from gnn_l2o.algorithms.curvature import FAR_BELOW, SHARE, added_curvature
from gnn_l2o.algorithms.driver import Driver
from gnn_l2o.algorithms.registry import METHODS
from gnn_l2o.graph import Network, build_network
from gnn_l2o.learned import load_model
from gnn_l2o.learned.network_facts import network_facts
from gnn_l2o.problems import L1, LeastSquares, Logistic, Problem, Regularizer, Zero, solve, starts_optimal
from gnn_l2o.testing import HiddenNetwork
from tests.released import OPTIMIZERS

NODES, DIM = 10, 12
ONES = np.ones(NODES)
SPREAD = 10.0 ** np.linspace(-6, 6, NODES)[[3, 8, 0, 5, 9, 1, 7, 2, 6, 4]]


def scaled(features: np.ndarray, targets: np.ndarray, regularizer: Regularizer, samples: int = 5) -> LeastSquares:
    """Return a problem whose nodes' features and targets are multiplied by numbers, ``(N,)``."""
    random = np.random.default_rng(0)
    a = random.standard_normal((NODES, samples, DIM))
    truth = random.standard_normal(DIM) * (random.random(DIM) < 0.5)
    b = a @ truth + 0.1 * random.standard_normal((NODES, samples))
    return LeastSquares.from_nodes(list(features[:, None, None] * a), list(targets[:, None] * b), regularizer)


def with_nodes(values: np.ndarray, change: dict[int, float]) -> np.ndarray:
    changed = values.copy()
    changed[list(change)] = list(change.values())
    return changed


EMPTY = with_nodes(ONES, {3: 0.0})
PROBLEMS: dict[str, LeastSquares] = {
    "a node without data": scaled(EMPTY, EMPTY, L1(0.05)),
    "neighbours without data, no regularizer": scaled(*[with_nodes(ONES, {3: 0.0, 4: 0.0})] * 2, Zero()),
    "data at one node only": scaled(*[with_nodes(0 * ONES, {3: 1.0})] * 2, L1(0.05)),
    "features of one node times 1e-4": scaled(with_nodes(ONES, {3: 1e-4}), ONES, L1(0.05)),
    "one node times 1e6, one empty": scaled(*[with_nodes(ONES, {3: 1e6, 7: 0.0})] * 2, L1(0.005e12)),
    "nodes from 1e-6 to 1e6, two empty": scaled(*[with_nodes(SPREAD, {0: 0.0, 8: 0.0})] * 2, L1(0.005e12)),
}
CONVEX = [name for name in OPTIMIZERS if name != "milodo_mlp"]
CONVERGENT = [
    *("milodo_gnn", "milodo_images", "milodo_lasso300", "milodo_local", "milodo_paper", "milodo_small"),
    *("learned_scalars", "learned_scalars_momentum"),
]
"""Those whose limits are solutions; the others are learned baselines without a rule that has this property."""


@pytest.fixture(autouse=True)
def without_derivatives():
    with torch.no_grad():
        yield


def network(topology: str = "ring") -> Network:
    return build_network(topology, NODES).to(dtype=torch.float64)


def driver(name: str, problem: Problem) -> Driver:
    model = load_model(name).to(dtype=torch.float64)
    if model.refusal(problem, network()) is not None:
        pytest.skip("does not apply")
    return Driver(model, problem, network(), problem.initial_point().to(torch.float64))


def worst_gap(problem: Problem, x: torch.Tensor) -> float:
    """Return (max_i F(x_i) - F*) / (F(x^0) - F*)."""
    best, start = optimum(problem), problem.objective(torch.zeros(1, problem.dim))
    return float((problem.objective_at_nodes(x).max() - best) / (start - best))


@functools.cache
def optimum(problem: Problem) -> torch.Tensor:
    return solve(problem).value


def logistic(change: dict[int, float]) -> Logistic:
    random = np.random.default_rng(1)
    a = with_nodes(ONES, change)[:, None, None] * random.standard_normal((NODES, 6, DIM))
    return Logistic.from_nodes(list(a), list(random.integers(2, size=(NODES, 6))), L1(0.02))


# Learned models


@pytest.mark.parametrize("label", PROBLEMS)
@pytest.mark.parametrize("name", CONVEX)
def test_no_released_model_gives_nan(name: str, label: str) -> None:
    run = driver(name, PROBLEMS[label])
    run.advance(10)
    assert bool(run.state.x.isfinite().all())


# All of them need less than two thirds of these rounds there. On all problems, over rings, stars and random graphs, the
# largest number was 10,870 in a run to 20,000.
HORIZONS = {
    "a node without data": 500,
    "neighbours without data, no regularizer": 500,
    "nodes from 1e-6 to 1e6, two empty": 10_000,
}


@pytest.mark.parametrize("label", HORIZONS)
@pytest.mark.parametrize("name", CONVERGENT)
def test_released_models_converge_at_every_node(name: str, label: str) -> None:
    problem, run = PROBLEMS[label], driver(name, PROBLEMS[label])
    for rounds in range(250, HORIZONS[label] + 1, 250):
        run.advance(rounds)
        if worst_gap(problem, run.state.x) < 1e-6:
            return
    raise AssertionError(f"a gap of {worst_gap(problem, run.state.x):.1e} after {rounds} rounds")


@pytest.mark.parametrize("change", [{3: 0.0}, {3: 1e-4}])
@pytest.mark.parametrize("name", ["milodo_gnn", "milodo_local"])
def test_logistic_regression_converges_too(name: str, change: dict[int, float]) -> None:
    problem = logistic(change)
    run = driver(name, problem)
    run.advance(400)
    assert worst_gap(problem, run.state.x) < 1e-6


@pytest.mark.parametrize("name", CONVERGENT)
def test_where_no_node_has_data_all_stay_at_the_minimizer_of_r(name: str) -> None:
    problem = scaled(0 * ONES, 0 * ONES, L1(0.1))
    run = driver(name, problem)
    run.advance(20)
    assert not run.state.x.any()


@pytest.mark.parametrize("change", [{}, {3: 0.0}])
def test_one_scale_for_all_changes_nothing(change: dict[int, float]) -> None:
    small, large = (scaled(s * with_nodes(ONES, change), s * ONES, L1(0.05 * s**2)) for s in (1e-6, 1e6))
    for name in ("milodo_gnn", "milodo_local"):
        first, second = driver(name, small), driver(name, large)
        for run in (first, second):
            run.advance(30)
        assert first.state.x.abs().max() > 0.1
        torch.testing.assert_close(first.state.x, second.state.x, rtol=1e-6, atol=1e-8)


# Curvature


def test_the_added_curvature_is_zero_at_all_nodes_but_those_with_next_to_none() -> None:
    path = Network.concatenate([Network.from_edges([(0, 1), (1, 2), (2, 3)]), Network.from_edges([(0, 1)])])
    curvature = torch.tensor([10.0, 0.0, 2 * FAR_BELOW * 10, 0.5 * FAR_BELOW * 10, 0.0, 0.0]).unsqueeze(1)
    hidden = HiddenNetwork(path)
    added = added_curvature(curvature, hidden)  # type: ignore[arg-type]
    raised = SHARE * 10 - curvature[3]
    torch.testing.assert_close(added.flatten(), torch.tensor([0, SHARE * 10, 0, float(raised), 1, 1]))
    assert hidden.setup_knowledge == {"graph_max"}
    without = added_curvature(curvature, path, 0.0).flatten()
    torch.testing.assert_close(without, torch.tensor([0, SHARE * 10, 0, 0, 1, 1]))


def test_facts_contain_what_was_added() -> None:
    problem = scaled(with_nodes(ONES, {3: 1e-4}), ONES, Zero())
    facts = network_facts(problem, network(), torch.zeros(NODES, DIM))
    expected = problem.smoothness().clone()
    expected[3] = SHARE * problem.smoothness().max()
    torch.testing.assert_close(facts.smoothness, expected)
    torch.testing.assert_close(facts.mean_curvature - problem.mean_curvature(), facts.added_curvature)
    assert facts.added_curvature.flatten().nonzero().tolist() == [[3]]


# Methods and their tuning

DATA = {
    "a node without data": PROBLEMS["a node without data"],
    "no data at all": scaled(0 * ONES, 0 * ONES, Zero()),
    "one sample a node": scaled(ONES, ONES, Zero(), samples=1),
}


@pytest.mark.parametrize("label", DATA)
@pytest.mark.parametrize("name", METHODS.names())
def test_every_setting_of_a_method_takes_a_finite_step(name: str, label: str) -> None:
    method, problem = METHODS[name], DATA[label]
    for copies in (1, 2):  # units are numbers for one problem, and rows for several
        problems = problem if copies == 1 else problem.repeat(copies)
        networks = network() if copies == 1 else Network.concatenate([network()] * copies)
        for setting in method.settings(4):
            algorithm = method.from_setting(problems, setting)
            if algorithm.refusal(problems, networks) is None:
                run = Driver(algorithm, problems, networks, torch.zeros(copies * NODES, DIM))
                run.advance(2)
                assert bool(run.state.x.isfinite().all()), setting


@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e20])
def test_no_scale_makes_the_initial_point_optimal(scale: float) -> None:
    initial = scale * torch.tensor([1.0, 1.0, 1 + 1e-9, 0.0, torch.inf])
    optimum = scale * torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0])
    assert starts_optimal(initial, optimum).tolist() == [True, False, False, True, False]
