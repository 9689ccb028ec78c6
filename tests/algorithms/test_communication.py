"""What one node learns of another goes through counted exchanges, in every algorithm."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import networkx as nx
import pytest
import torch
from torch import Tensor

from gnn_l2o.algorithms.base import Algorithm, spent
from gnn_l2o.algorithms.driver import Driver, run
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import HANDCRAFTED
from gnn_l2o.learned import TUNED, load_model
from gnn_l2o.problems import LeastSquares, Problem
from gnn_l2o.problems.regularizers import L1, Zero
from gnn_l2o.testing.hidden_network import HiddenNetwork
from tests.released import OPTIMIZERS

METHODS = {**HANDCRAFTED, **TUNED}
STEPS = 15  # beyond the iterations that recompute coefficients, and past the check of frozen ones
DIM = 10
RING = Network.from_networkx(nx.cycle_graph(10))  # to which some released models are bound
IRREGULAR = Network.from_networkx(nx.barbell_graph(4, 2))


def least_squares(regularized: bool) -> LeastSquares:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(10, 4, DIM, generator=generator)
    targets = torch.randn(10, 4, generator=generator)
    return LeastSquares.from_nodes(list(features), list(targets), L1(0.05) if regularized else Zero())


def algorithms(problem: Problem, network: Any) -> Iterator[Algorithm[Any]]:
    for method in METHODS.values():
        yield method.from_setting(problem, method.settings(1)[0])
    for name in OPTIMIZERS:
        yield load_model(name).to(dtype=torch.float64)


def iterates(algorithm: Algorithm[Any], problem: Problem, network: Any) -> list[Tensor]:
    x0 = torch.ones(problem.num_nodes, problem.dim)
    with torch.no_grad():
        return [state.x for state in islice(run(algorithm, problem, network, x0), STEPS + 1)]


def cases() -> Iterator[Any]:
    for regularized in (True, False):
        for graph, network in (("ring", RING), ("irregular", IRREGULAR)):
            problem = least_squares(regularized)
            for algorithm in algorithms(problem, network):
                if algorithm.refusal(problem, network) is None:
                    yield pytest.param(
                        algorithm,
                        regularized,
                        graph,
                        id=f"{algorithm.name}-{graph}-{'l1' if regularized else 'smooth'}",
                    )


CASES = list(cases())


def test_every_method_and_released_model_takes_part() -> None:
    assert {case.values[0].name for case in CASES} == {*METHODS, *OPTIMIZERS}


@pytest.mark.parametrize(("algorithm", "regularized", "graph"), CASES)
def test_hidden_networks_give_the_same_and_costs_are_as_declared(
    algorithm: Algorithm[Any], regularized: bool, graph: str
) -> None:
    network = {"ring": RING, "irregular": IRREGULAR}[graph].to()  # a copy, which has counted nothing yet
    problem, hidden = least_squares(regularized), HiddenNetwork(network.to())
    plain = iterates(algorithm, problem, network)
    declared = algorithm.total_cost(STEPS, problem.shapes).on(int(network.diameter))
    assert spent(problem, network).declarable == declared
    for x, y in zip(plain, iterates(algorithm, least_squares(regularized), hidden), strict=True):
        assert torch.equal(x, y)
    assert hidden.traffic == network.traffic
    assert hidden.setup_knowledge == algorithm.setup_knowledge


# Information travels one edge in a round: a node at a greater distance cannot know yet.

PATH = Network.from_networkx(nx.path_graph(10))


@pytest.mark.parametrize("name", sorted({*METHODS, *OPTIMIZERS}))
def test_no_node_is_reached_before_the_counted_rounds_allow_it(name: str) -> None:
    problem = least_squares(regularized=False)
    (algorithm,) = (a for a in algorithms(problem, PATH) if a.name == name)
    if algorithm.refusal(problem, PATH) is not None:
        pytest.skip(str(algorithm.refusal(problem, PATH)))
    targets = problem.targets.clone()
    targets[9] += 1.0  # the last node of the path; curvatures stay as they are
    changed = LeastSquares.from_nodes(list(problem.features), list(targets), Zero())
    network = PATH.to()
    states = [iter(run(algorithm, p, n, torch.ones(10, DIM))) for p, n in ((problem, network), (changed, PATH.to()))]
    reached = 0
    for _ in range(4):
        before, after = (next(s) for s in states)
        reached = _reach(before.x, after.x)
        assert reached <= network.traffic.rounds + network.traffic.setup_rounds
    assert reached > 0  # the change did travel


def _reach(x: Tensor, y: Tensor) -> int:
    """Return the distance from the last node of the path at which two iterates still differ."""
    different = (x != y).any(dim=1).nonzero()
    return 9 - int(different.min()) if different.numel() else 0


def test_what_a_network_hides_cannot_be_read() -> None:
    hidden = HiddenNetwork(PATH)
    for name in ("edge_index", "link_index", "reverse", "batch", "matrix"):
        with pytest.raises(AttributeError, match="no node's knowledge"):
            getattr(hidden, name)
    with pytest.raises(AttributeError, match="numbers that all nodes of a graph have"):
        hidden.at_edges(torch.arange(10.0).unsqueeze(1))
    assert isinstance(hidden.to(dtype=torch.float32), HiddenNetwork)


def test_a_minimum_takes_the_rounds_in_which_nodes_pass_on_the_smallest_number() -> None:
    network, value = IRREGULAR.to(), torch.arange(10.0).flip(0).unsqueeze(1)
    passed, rounds = value, 0
    while (passed != value.min()).any():
        passed = torch.where(IRREGULAR.matrix() > 0, passed.t(), torch.inf).amin(dim=1, keepdim=True)
        rounds += 1
    assert torch.equal(network.graph_min(value), passed)
    traffic = network.traffic
    assert traffic.rounds == traffic.numbers == rounds
    assert (traffic.minima, traffic.vectors, traffic.setup_rounds) == (1, 0, 0)
    network.graph_min(value, setup=True)
    assert (traffic.minima, traffic.setup_rounds, traffic.setup_numbers) == (1, rounds, rounds)


def test_an_average_goes_up_and_down_a_tree() -> None:
    graphs = [nx.path_graph(5), nx.star_graph(3)]  # of radius 2 and 1
    network = Network.concatenate([Network.from_networkx(g) for g in graphs])
    value = torch.randn(9, 3)
    expected = torch.cat([part.mean(dim=0).expand_as(part) for part in value.split([5, 4])])
    torch.testing.assert_close(network.graph_mean(value), expected)
    assert (network.traffic.rounds, network.traffic.vectors) == (4, 1)
    network.graph_mean(value, more=6)  # six more vectors follow, a round each
    assert (network.traffic.rounds, network.traffic.vectors) == (4 + 10, 1 + 7)


@pytest.mark.parametrize(
    ("name", "facts"), [("prox_ed", 1), ("dapg", 3), ("tuned_constants", 4), ("dadam", 0), ("milodo_paper", 4)]
)
def test_facts_about_the_graph_are_flooded_once(name: str, facts: int) -> None:
    problem = least_squares(regularized=False)
    (algorithm,) = (a for a in algorithms(problem, PATH) if a.name == name)
    network = PATH.to()
    driver = Driver(algorithm, problem, network, torch.ones(10, DIM))
    told = network.traffic
    flooding = (9, 9 * facts) if facts else (0, 0)  # as many rounds as the diameter of the path
    assert driver.setup == (told.setup_rounds + flooding[0], told.setup_numbers + flooding[1])
    driver.advance(3)
    assert driver.setup == (told.setup_rounds + flooding[0], told.setup_numbers + flooding[1])


def test_facts_told_before_the_first_iteration_are_counted_apart() -> None:
    network = RING.to()
    load_model("milodo_gnn").to(dtype=torch.float64).init(least_squares(True), network, torch.zeros(10, DIM))
    # Effective self-weights; units; three constant features; the minimum over the graph of the step sizes.
    assert (network.traffic.setup_rounds, network.traffic.setup_numbers) == (3 + 5, 1 + 1 + 3 + 5)
    assert (network.traffic.rounds, network.traffic.vectors, network.traffic.numbers) == (0, 0, 0)


def test_nodes_without_neighbours_mix_with_nobody_and_are_counted() -> None:
    alone = Network.concatenate([Network.from_edges([], 1)] * 3)
    x = torch.randn(3, 4, requires_grad=True)
    mixed = alone.mix(x)
    mixed.square().sum().backward()
    assert torch.equal(mixed, x) and torch.equal(x.grad, 2 * x)
    assert (alone.traffic.rounds, alone.traffic.vectors, alone.traffic.numbers) == (1, 1, 0)
