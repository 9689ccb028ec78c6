"""Which methods converge to the solution under which faults, as docs/faults.md says."""

import math
from itertools import islice
from typing import Any

import pytest
import torch

from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.driver import run
from gnn_l2o.graph import Network
from gnn_l2o.graph.build import build_network
from gnn_l2o.handcrafted import HANDCRAFTED
from gnn_l2o.learned import load_model
from gnn_l2o.problems import L1, LeastSquares, Zero, solve
from gnn_l2o.testing.runs import small_problem

NETWORK = build_network("erdos_renyi", 8)
COMPOSITE, SMOOTH = small_problem(8, L1(0.05)), small_problem(8, Zero())
EXACT, WRONG = 1e-8, 1e-2


def error(algorithm: Algorithm[Any], problem: LeastSquares, network: Network, iterations: int) -> float:
    """Return how far the farthest node is from the solution at the end, relative to the initial point, zero."""
    with torch.no_grad():
        states = run(algorithm, problem, network, torch.zeros(problem.num_nodes, problem.dim))
        return distance(next(islice(states, iterations, None)).x, problem)


def distance(x: torch.Tensor, problem: LeastSquares) -> float:
    solution = solve(problem).x
    return float(((x - solution).norm(dim=1).max() / solution.norm()).nan_to_num(nan=math.inf))


def method(name: str, problem: LeastSquares = COMPOSITE, **setting: float) -> Algorithm[Any]:
    return HANDCRAFTED[name].from_setting(problem, setting)


@pytest.mark.parametrize(
    ("topology", "faults"),
    [
        ("ring", "drop=0.2"),
        ("star", "drop=0.2"),
        ("erdos_renyi", "drop=0.2"),
        ("erdos_renyi", "drop=0.2,burst=5"),
        ("star", "sleep=0.2"),
        ("ring", "links=3"),
        ("erdos_renyi", "bits=6"),
    ],
)
def test_the_released_model_is_exact_where_both_ends_know(topology: str, faults: str) -> None:
    model = load_model("milodo_local").to(dtype=torch.float64)
    assert error(model, COMPOSITE, build_network(topology, 8).with_faults(faults), 250) < EXACT


@pytest.mark.parametrize("faults", ["one_way=0.2", "delay=0.2", "noise=0.01"])
def test_the_released_model_is_not_where_they_do_not(faults: str) -> None:
    model = load_model("milodo_local").to(dtype=torch.float64)
    assert error(model, COMPOSITE, NETWORK.with_faults(faults), 200) > WRONG


@pytest.mark.parametrize("faults", ["drop=0.2", "one_way=0.3", "sleep=0.2", "delay=0.3", "links=3"])
def test_robust_admm_is_exact_in_any_case(faults: str) -> None:
    algorithm = method("admm_robust", penalty=1.4, relaxation=0.97)
    assert error(algorithm, COMPOSITE, NETWORK.with_faults(faults), 250) < EXACT


def test_admm_with_sums_of_edge_variables_is_not_safe() -> None:
    exact, unsafe = method("admm", penalty=1.4, relaxation=0.8), method("admm", penalty=3.7, relaxation=0.97)
    assert error(unsafe, COMPOSITE, NETWORK.to(), 400) < EXACT
    assert error(exact, COMPOSITE, NETWORK.with_faults("drop=0.2"), 200) < EXACT
    assert error(unsafe, COMPOSITE, NETWORK.with_faults("drop=0.2"), 200) > 1


@pytest.mark.parametrize("name", ["prox_ed", "nids"])
def test_primal_dual_methods_are_exact_where_both_ends_know(name: str) -> None:
    algorithm = method(name, step_size=0.8)
    for faults in ("drop=0.2", "links=3"):
        assert error(algorithm, COMPOSITE, NETWORK.with_faults(faults), 450) < EXACT
    assert error(algorithm, COMPOSITE, NETWORK.with_faults("one_way=0.2"), 200) > WRONG


def tracked(network: Network, step_size: float, iterations: int) -> float:
    """Return the error of DIGing with its tracker: x+ = W x - a y, y+ = W y + grad f(x+) - grad f(x)."""
    x = torch.zeros(8, SMOOTH.dim)
    gradient = SMOOTH.gradient(x)
    y, step = gradient, step_size / SMOOTH.smoothness().max()
    for _ in range(iterations):
        x = network.mix(x) - step * y
        before, gradient = gradient, SMOOTH.gradient(x)
        y = network.mix(y) + gradient - before
    return distance(x, SMOOTH)


@pytest.mark.parametrize("faults", ["", "links=3", "drop=0.5"])
def test_gradient_tracking_is_exact_on_time_varying_graphs(faults: str) -> None:
    """Nedic, Olshevsky, Shi 2017, on undirected graphs that are connected in the union of a few rounds."""
    assert tracked(NETWORK.with_faults(faults), 0.15, 900) < EXACT


def test_gradient_tracking_without_its_tracker_is_not() -> None:
    assert error(method("diging", SMOOTH, step_size=0.2), SMOOTH, NETWORK.to(), 900) < EXACT
    assert error(method("diging", SMOOTH, step_size=0.2), SMOOTH, NETWORK.with_faults("links=3"), 200) > 1


@pytest.mark.parametrize("step_size", [0.05, 0.2])
def test_gradient_tracking_that_loses_messages_unnoticed_ends_elsewhere(step_size: float) -> None:
    network = NETWORK.with_faults("one_way=0.2")
    assert tracked(network, step_size, 1000) > WRONG


def test_error_feedback_makes_compressed_runs_exact() -> None:
    algorithm = method("prox_ed", step_size=0.8)
    for faults in ("bits=6", "keep=0.75"):
        assert error(algorithm, COMPOSITE, NETWORK.with_faults(faults), 300) < EXACT
        assert error(algorithm, COMPOSITE, NETWORK.with_faults(f"{faults},feedback=no"), 300) > EXACT
