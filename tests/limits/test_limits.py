"""What limits cost by formula, and that they reach what they promise."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import scipy.sparse.linalg
import torch

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import spent
from gnn_l2o.algorithms.driver import Driver, run
from gnn_l2o.evaluation import Plan, evaluate, ranking
from gnn_l2o.evaluation.results import Results
from gnn_l2o.graph.network import Network
from gnn_l2o.limits import LIMITS, CentralizedFista, Diameter, Flooding, Limit, TreeCG, TreeFista, TreeNewton
from gnn_l2o.limits.accelerated import average_smoothness
from gnn_l2o.limits.flood import flood
from gnn_l2o.problems import L1, ElasticNet, LeastSquares, Logistic, NeuralNetwork, Problem, Stochastic, Zero, solve
from gnn_l2o.problems.regularizer import Regularizer
from gnn_l2o.testing.hidden_network import HiddenNetwork
from gnn_l2o.testing.runs import small_problem

GRAPHS = {
    "ring": nx.cycle_graph(8),
    "path": nx.path_graph(7),
    "star": nx.star_graph(6),
    "barbell": nx.barbell_graph(4, 2),
    "complete": nx.complete_graph(5),
    "grid": nx.convert_node_labels_to_integers(nx.grid_2d_graph(3, 4)),
    "erdos_renyi": nx.gnp_random_graph(12, 0.4, seed=1),
}
GRAPH = pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)
EVERY = pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)


def after(limit: Limit[Any], problem: Problem, network: Any, steps: int) -> torch.Tensor:
    """The common iterate after so many steps."""
    x0 = torch.zeros(problem.num_nodes, problem.dim)
    state = next(islice(run(limit, problem, network, x0), steps, None))
    assert (state.x == state.x[0]).all()
    return state.x[0]


def classification(nodes: int) -> Logistic:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(nodes, 8, 4, generator=generator)
    labels = torch.randint(2, (nodes, 8), generator=generator)
    return Logistic.from_nodes(list(features), list(labels), L1(0.02))


@GRAPH
def test_nodes_have_the_minimizer_after_as_many_rounds_as_the_diameter(graph: nx.Graph) -> None:
    network, problem = Network.from_networkx(graph), small_problem(len(graph), L1(0.2))
    rounds = nx.diameter(graph)
    assert (after(Diameter(), problem, network, rounds - 1) == 0).all()
    assert torch.equal(after(Diameter(), problem, network, rounds), solve(problem).x[0])
    assert (network.traffic.rounds, network.traffic.vectors) == (2 * rounds - 1, 0)


def test_flooding_a_ring_takes_half_the_samples_of_the_others() -> None:
    graph = nx.cycle_graph(10)
    assert flood(np.array(graph.edges), np.full(10, 10)) == (20,) * 45  # all directed edges are busy in every round


@GRAPH
@pytest.mark.parametrize("uneven", [False, True])
def test_flooding_is_a_schedule_near_the_lower_bound(graph: nx.Graph, uneven: bool) -> None:
    samples = np.arange(len(graph)) % 5 + 1 if uneven else np.full(len(graph), 6)
    sent = flood(np.array(graph.edges), samples)
    degree = np.array([d for _, d in graph.degree])
    bound = max(nx.diameter(graph), int(np.ceil((samples.sum() - samples) / degree).max()))
    for bridge in nx.bridges(graph):  # all samples of either side cross it
        side = nx.node_connected_component(nx.restricted_view(graph, [], [bridge]), bridge[0])
        bound = max(bound, samples[list(side)].sum(), samples.sum() - samples[list(side)].sum())
    assert bound <= len(sent) <= 1.2 * bound + 1
    assert sum(sent) == (len(graph) - 1) * samples.sum()  # every node receives every sample of the others once
    assert max(sent) <= 2 * graph.number_of_edges()


def test_the_schedule_sends_only_what_senders_have() -> None:
    # On a path of three nodes the first sample of an end reaches the other end in round 2.
    assert flood(np.array([[0, 1], [1, 2]]), np.array([1, 1, 1])) == (4, 2)
    # A single sample travels as fast as information.
    assert flood(np.array(nx.path_graph(6).edges), np.array([1, 0, 0, 0, 0, 0])) == (1,) * 5


def test_large_numbers_of_samples_travel_in_groups() -> None:
    links = np.array(nx.cycle_graph(6).edges)
    assert len(flood(links, np.full(6, 1000))) == 10 * len(flood(links, np.full(6, 100))) == 2500


def test_flooding_runs_as_its_schedule_says() -> None:
    graph = GRAPHS["barbell"]
    network, problem = Network.from_networkx(graph), small_problem(len(graph), L1(0.2))
    sent = flood(np.array(graph.edges), np.full(len(graph), 8))
    assert (after(Flooding(), problem, network.to(), len(sent) - 1) == 0).all()
    assert torch.equal(after(Flooding(), problem, network, len(sent)), solve(problem).x[0])
    vectors = int(np.ceil(sum(sent) / network.num_edges))
    assert (network.traffic.rounds, network.traffic.vectors, network.traffic.numbers) == (len(sent), vectors, vectors)


@pytest.mark.parametrize("problem", [small_problem(7, L1(0.2)), classification(7)], ids=["lasso", "logistic"])
@pytest.mark.parametrize(("limit", "steps"), [(TreeFista(), 400), (CentralizedFista(), 400), (TreeNewton(), 8)])
def test_limits_with_exact_averages_reach_the_certified_optimum(
    limit: Limit[Any], steps: int, problem: Problem
) -> None:
    x = after(limit, problem, Network.from_networkx(GRAPHS["star"]), steps)
    assert (x - solve(problem).x[0]).norm() < 1e-9 * x.norm()


def test_fista_is_its_recursion() -> None:
    problem, network = small_problem(7, L1(0.2)), Network.from_networkx(GRAPHS["path"])
    a = problem.features.flatten(0, 1).numpy() / np.sqrt(7 * 8)
    b = problem.targets.flatten().numpy() / np.sqrt(7 * 8)
    step = 1 / average_smoothness(problem, torch.zeros(7, 4))
    x, y, t = np.zeros(4), np.zeros(4), 1.0
    for _ in range(30):
        v = y - step * a.T @ (a @ y - b)
        new = np.sign(v) * np.maximum(abs(v) - 0.2 * step, 0)
        restart = (y - new) @ (new - x) > 0
        following = 1.0 if restart else (1 + np.sqrt(1 + 4 * t * t)) / 2
        y = new if restart else new + (t - 1) / following * (new - x)
        x, t = new, following
    for limit in (TreeFista(), CentralizedFista()):
        np.testing.assert_allclose(after(limit, problem, network, 30), x, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("problem", [small_problem(7, Zero()), classification(7)])
def test_the_step_of_fista_is_that_of_the_average_loss(problem: Problem) -> None:
    x = torch.zeros(7, 4)
    largest = float(torch.linalg.eigvalsh(problem.hessian(x[0], 0, torch.arange(4)))[-1])
    assert largest <= average_smoothness(problem, x) <= 1.03 * largest < float(problem.smoothness().max())


@pytest.mark.parametrize("regularizer", [Zero(), ElasticNet(0.0, 0.3)])
def test_conjugate_gradients_are_those_of_scipy(regularizer: Regularizer) -> None:
    problem, network = small_problem(7, regularizer), Network.from_networkx(GRAPHS["path"])
    a, b = problem.features.flatten(0, 1).numpy(), problem.targets.flatten().numpy()
    matrix = a.T @ a / len(b) + (0.3 if isinstance(regularizer, ElasticNet) else 0) * np.eye(4)
    iterates: list[np.ndarray] = []
    scipy.sparse.linalg.cg(matrix, a.T @ b / len(b), rtol=0, maxiter=4, callback=lambda x: iterates.append(x.copy()))
    for k, expected in enumerate(iterates, start=1):
        np.testing.assert_allclose(after(TreeCG(), problem, network, k), expected, rtol=1e-8, atol=1e-12)
    assert after(TreeCG(), problem, network, 50).isfinite().all()


def test_newton_takes_one_step_on_quadratics_of_low_rank() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(5, 2, 15, generator=generator)
    problem = LeastSquares.from_nodes(list(features), list(torch.randn(5, 2, generator=generator)), L1(0.1))
    x = after(TreeNewton(), problem, Network.from_networkx(GRAPHS["complete"]), 1)
    assert float(problem.objective(x.unsqueeze(0))) == pytest.approx(float(solve(problem).value), rel=1e-10)


@GRAPH
def test_rounds_are_those_of_the_formulas(graph: nx.Graph) -> None:
    steps, radius = 5, nx.radius(graph)
    formulas = {
        "centralized_fista": (steps, steps),
        "tree_fista": (2 * radius * steps, steps),
        "tree_cg": (2 * radius * (steps + 1), steps + 1),
        "tree_newton": ((2 * radius + 4) * steps, 5 * steps),
    }
    for name, expected in formulas.items():
        network, problem = Network.from_networkx(graph), small_problem(len(graph), Zero())
        after(LIMITS[name], problem, network, steps)
        assert (network.traffic.rounds, network.traffic.vectors) == expected, name


@EVERY
def test_what_limits_declare_is_counted_but_for_rounds(limit: Limit[Any]) -> None:
    problem, network = small_problem(8, Zero()), Network.from_networkx(GRAPHS["ring"])
    hidden = HiddenNetwork(network)
    hidden_ok = limit.name != "flooding"  # which looks at the whole graph to simulate a schedule
    after(limit, problem, hidden if hidden_ok else network, 5)
    counted, declared = spent(problem, network), limit.total_cost(5)
    assert (counted.gradients, counted.proxes) == (declared.gradients, declared.proxes)


@EVERY
def test_single_precision_stays_and_steps_are_functions(limit: Limit[Any]) -> None:
    problem, network = small_problem(8, Zero()), Network.from_networkx(GRAPHS["ring"])
    narrow, graph = problem.to(dtype=torch.float32), network.to(dtype=torch.float32)
    x0 = torch.zeros(8, 4, dtype=torch.float32)
    states = list(islice(run(limit, narrow, graph, x0), 41))
    assert {s.x.dtype for s in states} == {torch.float32}
    assert (states[-1].x[0].double() - solve(problem).x[0]).norm() < 1e-5
    assert torch.equal(limit.step(narrow, graph, states[3]).x, states[4].x)
    assert torch.equal(states[0].x, x0)


def refused() -> Iterator[tuple[str, Problem, str]]:
    lasso = small_problem(8, L1(0.2))
    for name in LIMITS:
        yield name, Stochastic(lasso, batch_size=2, seed=0), "exact gradients"
        yield name, LeastSquares.concatenate([lasso, lasso]), "one problem, got 2"
    yield "tree_cg", lasso, "without a prox"
    yield "tree_cg", classification(8), "for least squares; this problem is Logistic"
    wide = LeastSquares.from_nodes([torch.ones(1, 1001)] * 8, [torch.ones(1)] * 8, Zero())
    yield "tree_newton", wide, "at most 1000 coordinates, got 1001"


@pytest.mark.parametrize(("name", "problem", "reason"), list(refused()))
def test_limits_say_where_they_do_not_apply(name: str, problem: Problem, reason: str) -> None:
    assert reason in str(LIMITS[name].refusal(problem, Network.from_networkx(GRAPHS["ring"])))


def test_limits_do_not_apply_to_neural_networks() -> None:
    data = [(torch.randn(5, 3), torch.randint(2, (5,))) for _ in range(8)]
    problem = NeuralNetwork.from_nodes(torch.nn.Linear(3, 2), torch.nn.functional.cross_entropy, data)
    for limit in LIMITS.values():
        assert "minimum of this one is not known" in str(limit.refusal(problem, Network.from_networkx(GRAPHS["ring"])))


def test_set_up_of_limits_is_that_of_the_tree() -> None:
    problem, network = small_problem(7, Zero()), Network.from_networkx(GRAPHS["path"])
    setups = {name: Driver(limit, problem, network, torch.zeros(7, 4)).setup for name, limit in LIMITS.items()}
    assert {name: s for name, s in setups.items() if s.rounds} == dict.fromkeys(
        ("tree_fista", "tree_cg", "tree_newton"), (6, 12)
    )


PLAN: dict[str, Any] = {
    "datasets": ["lasso:features=6,samples=4"],
    "nodes": [5],
    "algorithms": ["prox_ed"],
    "instances": 1,
    "tuning_instances": 1,
    "iterations": 60,
}


@pytest.mark.usefixtures("quick_figures")
def test_evaluations_run_limits_apart_from_what_is_compared(tmp_path: Path) -> None:
    results = evaluate(Plan(**PLAN), output=tmp_path)
    (case,) = results.cases
    assert results.limits == list(LIMITS)
    assert {r.algorithm for r in results.runs} == {"prox_ed", *LIMITS} - {"tree_cg"}
    assert [entry["algorithm"] for entry in results.skipped if entry["algorithm"] in LIMITS] == ["tree_cg"]
    assert results.median(case, "diameter", 1e-4) == 2
    rows = ranking(results, case).rows
    assert [(row["class"], row["rank"]) for row in rows[:2]] == [("one gradient a round", "1"), ("limits", "")]
    assert {row["rank"] for row in rows[2:]} == {""}
    assert {row["best_handcrafted"] for row in results.summary()} == {"prox_ed"}
    assert results.label("flooding") == "flooding of all data"
    again = Results.load(tmp_path)
    assert again.limits == list(LIMITS)
    (prox_ed,) = again.select(case, "prox_ed")
    assert (prox_ed.setup_rounds, prox_ed.setup_numbers) == (2, 2)  # the largest smoothness constant over the ring


def test_plans_choose_limits() -> None:
    assert evaluate(Plan(**PLAN, limits=[]), check_only=True).limits == []
    assert list(Plan(**PLAN, limits=["flooding"]).chosen_limits) == ["flooding"]
    with pytest.raises(InputError, match="unknown limit 'flooding_'; did you mean 'flooding'"):
        Plan(**PLAN, limits=["flooding_"])
    with pytest.raises(InputError, match="expected a model or a method"):
        Plan(**{**PLAN, "algorithms": []})
