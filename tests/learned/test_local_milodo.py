"""The rule with local solves: against ADMM with variables of edges, and safe whatever its networks emit."""

import dataclasses
from itertools import islice, pairwise

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.driver import Driver, run
from gnn_l2o.graph import Network
from gnn_l2o.graph.build import build_network
from gnn_l2o.graph.exchange import NetworkExchange
from gnn_l2o.learned import LocalMiLoDoArchitecture, load_model
from gnn_l2o.nn import LocalMiLoDoConv, PenaltyNetwork
from gnn_l2o.nn.penalty_network import FASTEST, WINDOW
from gnn_l2o.problems import L1, LeastSquares, Logistic, NeuralNetwork, Problem, Zero, solve
from gnn_l2o.testing import check_learned_optimizer
from tests.edge_admm import with_edge_variables


def least_squares(nodes: int, dim: int = 4, samples: int = 3, l1: float = 0.05, scales: float = 0.0) -> LeastSquares:
    scale = 10 ** torch.linspace(-scales, scales, dim)
    features = [torch.randn(samples, dim) * scale for _ in range(nodes)]
    return LeastSquares.from_nodes(features, [torch.randn(samples) for _ in range(nodes)], L1(l1))


def random_weights(seed: int, size: float = 1.0, **settings: bool) -> PenaltyNetwork:
    torch.manual_seed(seed)
    weights = PenaltyNetwork(8, **settings)
    with torch.no_grad():
        for parameter in weights.parameters():
            parameter.add_(size * torch.randn_like(parameter))
    return weights


def gap(problem: Problem, x: Tensor) -> float:
    best = solve(problem.to(dtype=torch.float64)).value
    start = problem.objective(problem.average(torch.zeros_like(x)))
    return float(((problem.objective(problem.average(x)) - best) / (start - best)).max())


@pytest.mark.parametrize("diagonal", [True, False])
@pytest.mark.parametrize("edges", [True, False])
def test_it_keeps_the_contract_of_learned_optimizers(edges: bool, diagonal: bool) -> None:
    check_learned_optimizer(LocalMiLoDoArchitecture(hidden_features=4, warmup=5, edges=edges, diagonal=diagonal))


@pytest.mark.parametrize("diagonal", [True, False])
@pytest.mark.parametrize("l1", [0.0, 0.2])
def test_with_frozen_penalties_it_is_admm_with_variables_of_edges(l1: float, diagonal: bool) -> None:
    graph = nx.gnp_random_graph(6, 0.6, seed=1)
    network = Network.from_networkx(graph)
    problem = least_squares(6, samples=5, l1=l1)
    problem = problem if l1 else dataclasses.replace(problem, regularizer=Zero())
    optimizer = LocalMiLoDoArchitecture(warmup=0, diagonal=diagonal).algorithm(random_weights(1, 0.3))
    states = list(islice(run(optimizer, problem, network, torch.zeros(6, 4)), 9))
    penalty = states[0].penalty.detach().expand(-1, 4)
    of_edge = {frozenset(link): penalty[k].numpy() for k, link in enumerate(network.link_index.t().tolist())}
    assert penalty.max() > 1.5 * penalty.min()
    expected = with_edge_variables(
        problem,
        graph,
        lambda i, j: of_edge[frozenset((i, j))],
        float(states[0].relaxation[0].detach()),
        np.zeros((6, 4)),
        8,
    )
    for state, x in zip(states[1:], expected, strict=True):
        torch.testing.assert_close(state.x.detach(), torch.from_numpy(x), rtol=1e-8, atol=1e-8)


def test_penalties_are_equal_at_both_ends_positive_and_change_by_bounded_factors() -> None:
    network = build_network("barabasi_albert", 12)
    problem = least_squares(12, scales=2.0)
    optimizer = LocalMiLoDoArchitecture(warmup=30).algorithm(random_weights(3, 2.0))
    with torch.no_grad():
        states = list(islice(run(optimizer, problem, network, torch.zeros(12, 4)), 32))
    for k, (before, after) in enumerate(pairwise(states[:31]), start=1):
        change = (after.penalty / before.penalty).log().abs()
        assert change.max() <= FASTEST / (1 + (k / WINDOW) ** 2) + 1e-12
        torch.testing.assert_close(after.y.sum(dim=0), torch.zeros(4), atol=1e-12 * float(after.y.abs().max()), rtol=0)
    assert (states[30].penalty != states[1].penalty).all() and (states[30].penalty > 0).all()
    assert states[31].penalty is states[30].penalty
    exchange = NetworkExchange(network)
    weight = exchange.reduce(states[30].penalty, "sum", empty=0.0)
    assert (weight > 0).all()


def test_an_optimal_consensus_stays_where_it_is() -> None:
    network = build_network("star", 5)
    problem = least_squares(5, l1=0.05)
    best = solve(problem).x.expand(5, -1)
    optimizer = LocalMiLoDoArchitecture(warmup=8).algorithm(random_weights(5))
    state = optimizer.init(problem, network, best)
    gradient = problem.local_gradient(best)
    shared = -gradient.mean(dim=0)  # a subgradient of r at the optimum
    state = dataclasses.replace(state, y=-gradient - shared)
    for _ in range(10):
        state = optimizer.step(problem, network, state)
        torch.testing.assert_close(state.x.detach(), best, atol=1e-9, rtol=0)


def test_fixed_local_steps_come_near_exact_ones() -> None:
    network, problem = build_network("ring", 6), least_squares(6, samples=6)
    exact = LocalMiLoDoArchitecture(warmup=8).algorithm(random_weights(2, 0.3))
    drivers = {}
    for steps in (None, 1, 4, 16, 64):
        drivers[steps] = Driver(dataclasses.replace(exact, local_steps=steps), problem, network, torch.zeros(6, 4))
        drivers[steps].advance(20)
        if steps is not None:
            assert drivers[steps].cost.solve_gradients == 20 * steps + 1  # one more for the diagonal of the Hessian
    errors = [float((drivers[k].state.x - drivers[None].state.x).norm().detach()) for k in (1, 4, 16, 64)]
    assert errors[0] > errors[1] > errors[2] > 10 * errors[3]


GRAPHS = {"path": 2, "ring": 7, "star": 9, "barabasi_albert": 9, "complete": 5, "tree": 8}


def hostile(kind: str, seed: int, scales: float = 4.0) -> tuple[list[Problem], list[Network]]:
    """Problems with columns over many decades, nodes alike, or a node with nearly all samples, on several graphs."""
    torch.manual_seed(seed)
    problems: list[Problem] = []
    networks = []
    for topology, n in GRAPHS.items():
        network = build_network(topology, n)
        counts = [1] * (n - 1) + [30] if kind == "one node with all" else [3] * n
        scale = 10 ** torch.linspace(-scales, scales, 5) if kind == "scales" else torch.ones(5)
        features = [torch.randn(m, 5) * scale for m in counts]
        if kind == "alike":
            features = [features[0]] * n
        truth = torch.randn(5) / scale
        targets = [a @ truth + 0.1 * torch.randn(len(a)) for a in features]
        if kind == "logistic":
            problems.append(Logistic.from_nodes(features, [t > 0 for t in targets], L1(0.02)))
        else:
            problems.append(LeastSquares.from_nodes(features, targets, L1(0.02)))
        networks.append(network)
    return problems, networks


@pytest.mark.parametrize(
    ("kind", "tolerance"),
    [("alike", 1e-8), ("one node with all", 1e-8), ("logistic", 1e-8), ("scales", 1e-3)],  # the last one is slow
)
def test_it_converges_on_hostile_problems_with_drawn_weights(kind: str, tolerance: float) -> None:
    problems, networks = hostile(kind, 1, scales=1.0)
    problem, network = type(problems[0]).concatenate(problems), Network.concatenate(networks)
    best = solve(problem).value
    x0 = torch.zeros(network.num_nodes, 5)
    start = problem.objective(problem.average(x0))
    weights = PenaltyNetwork(8)
    weights.reset_parameters()
    with torch.no_grad():
        for parameter in weights.parameters():
            parameter.mul_(0.3)
        driver = Driver(LocalMiLoDoArchitecture(warmup=30).algorithm(weights), problem, network, x0)
        for k in range(100, 8_001, 100):
            driver.advance(k)
            gaps = (problem.objective(problem.average(driver.state.x)) - best) / (start - best)
            assert gaps.max() < 10
            if (gaps < tolerance).all():
                return
    pytest.fail(f"gaps of {gaps} after 8,000 iterations")


@pytest.mark.parametrize("kind", ["scales", "alike", "one node with all", "logistic"])
def test_no_weights_make_the_distance_to_the_solution_grow(kind: str) -> None:
    # The proof in docs/local_solves.md: for frozen penalties, however extreme, the variables of edges come no farther
    # from any fixed point, in the metric of the penalties.
    for seed, (problem, network) in enumerate(zip(*hostile(kind, 1), strict=True)):
        exchange = NetworkExchange(network)
        best = solve(problem).x.expand(network.num_nodes, -1)
        gradient = problem.local_gradient(best)
        dual = gradient.mean(dim=0) - gradient  # y at the fixed point
        optimizer = LocalMiLoDoArchitecture(warmup=0).algorithm(random_weights(seed, 5.0))
        with torch.no_grad():
            state = optimizer.init(problem, network, torch.zeros_like(best))
            penalty = 10 ** (3 * torch.randn_like(state.penalty)).clamp(-6, 6)
            weight = exchange.reduce(penalty, "sum", empty=0.0)
            state = dataclasses.replace(state, penalty=penalty, weight=weight)
            i, j = network.link_index
            incidence = torch.zeros(network.num_nodes, len(i))
            incidence[i, torch.arange(len(i))], incidence[j, torch.arange(len(i))] = 1.0, -1.0
            target = torch.linalg.pinv(incidence) @ dual  # lambda* of the links
            flow, distances = torch.zeros_like(target), []
            for _ in range(60):
                middle = state.middle - best[:1]
                squares = state.penalty * middle.square() + (flow - target).square() / state.penalty
                distances.append(float(squares.sum()))
                before = state
                state = optimizer.step(problem, network, state)
                flow = flow + state.relaxation[:1] * before.penalty * (state.x[i] - state.x[j])
                torch.testing.assert_close(
                    exchange.collect(flow), state.y, rtol=1e-9, atol=1e-9 * float(flow.abs().max())
                )
        assert all(b <= a * (1 + 1e-9) for a, b in pairwise(distances)), (seed, distances[:5])
        assert distances[-1] < distances[0]


def test_the_layer_takes_the_same_steps_as_the_optimizer() -> None:
    network, problem = build_network("barabasi_albert", 7), least_squares(7, samples=6)
    optimizer = LocalMiLoDoArchitecture(warmup=4).algorithm(random_weights(4, 0.5))
    conv = LocalMiLoDoConv(optimizer.source)

    def solve_locally(center: Tensor, weight: Tensor, start: Tensor) -> Tensor:
        return problem.local_solve(center, weight, start)

    with torch.no_grad():
        state = optimizer.init(problem, network, torch.zeros(7, 4))
        own = conv.init(
            torch.zeros(7, 4),
            network.edge_index,
            smoothness=problem.smoothness(),
            curvature=problem.hessian_diagonal(torch.zeros(7, 4)),
            spectral_gap=network.at_nodes(network.spectral_gap),
            min_eigenvalue=network.at_nodes(network.min_eigenvalue),
            shrinkage=state.facts.prox_shrinkage,
        )
        for k in range(8):
            state = optimizer.step(problem, network, state)
            own = conv(own, network.edge_index, solve_locally, curvature=problem.curvature_at if k < 4 else None)
            torch.testing.assert_close(own.x, state.x, rtol=1e-10, atol=1e-10)


def test_the_rounds_and_numbers_that_it_sends_are_counted() -> None:
    network, problem = build_network("ring", 5), least_squares(5)
    optimizer = LocalMiLoDoArchitecture(warmup=3).algorithm(random_weights(0))
    driver = Driver(optimizer, problem, network, torch.zeros(5, 4))
    driver.advance(10)
    assert (driver.cost.rounds, driver.cost.vectors, driver.cost.numbers) == (10, 10, 3 * optimizer.source.numbers)
    # Neighbours tell each other q, whether they have curvature, degree, first level and the initial point; the graph
    # its size, spectrum and largest curvature.
    diameter = int(network.diameter.max())
    assert driver.setup == (2 + diameter, 4 + 3 + 4 + 4 * diameter)


def test_a_run_may_have_settings_of_its_own() -> None:
    model = load_model("milodo_local:local_steps=16")
    assert (model.name, model.local_steps) == ("milodo_local:local_steps=16", 16)
    with pytest.raises(InputError, match="did you mean 'local_steps'"):
        load_model("milodo_local:local_step=16")
    with pytest.raises(InputError, match="local_steps is a whole number from 1 to 1000000, got '0'"):
        load_model("milodo_local:local_steps=0")


def test_a_node_alone_takes_proximal_point_steps() -> None:
    network, problem = Network.from_networkx(nx.empty_graph(1)), least_squares(1, samples=6)
    optimizer = LocalMiLoDoArchitecture(warmup=3).algorithm(random_weights(0, 0.3))
    driver = Driver(optimizer, problem, network, torch.zeros(1, 4))
    driver.advance(300)
    torch.testing.assert_close(driver.state.x.detach(), solve(problem).x, atol=1e-8, rtol=0)


def test_it_refuses_losses_that_are_not_convex() -> None:
    network = build_network("ring", 5)
    shards = [(torch.randn(6, 3).numpy(), np.arange(6) % 2) for _ in range(5)]
    problem = NeuralNetwork.from_nodes(torch.nn.Linear(3, 2), torch.nn.functional.cross_entropy, shards)
    refusal = LocalMiLoDoArchitecture().algorithm(random_weights(0)).refusal(problem, network)
    assert refusal is not None and "convex" in refusal


def test_of_a_game_it_says_that_it_is_a_min_max_problem() -> None:
    network = build_network("ring", 4)
    game = plugins.load("dataset", "saddle")(network, seed=0)
    refusal = LocalMiLoDoArchitecture().algorithm(random_weights(0)).refusal(game, network)
    assert refusal is not None and "min-max" in refusal
