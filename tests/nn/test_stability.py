"""Stability bounds: what is stable by the formulas is stable by the eigenvalues, and little more is."""

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
import torch

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.driver import run
from gnn_l2o.graph.communication import Ends
from gnn_l2o.graph.exchange import NetworkExchange
from gnn_l2o.graph.network import Network
from gnn_l2o.learned import ConstantCoefficients, LearnedScalars, MiLoDo, RecomputeSchedule
from gnn_l2o.learned.network_facts import network_facts
from gnn_l2o.nn import GraphFacts, rule
from gnn_l2o.nn.coefficients import Coefficients
from gnn_l2o.nn.features import secant_curvature
from gnn_l2o.nn.stability import (
    DUAL_SAFETY_FACTOR,
    StabilityBounds,
    curvature_limit,
    max_dual_step_size,
    max_mixing_weight,
    max_momentum,
    max_step_size_with,
    stability_bounds,
)
from gnn_l2o.nn.state import MiLoDoState
from gnn_l2o.nn.step_size import (
    MAX_MOMENTUM,
    bounded_step_size,
    limits_without_momentum,
    momentum_logit,
    proposed_momentum,
)
from gnn_l2o.problems import LeastSquares, Problem
from gnn_l2o.problems.regularizers import Zero

PAIR = NetworkExchange(Network.from_edges([(0, 1)]))


def pair(spectral_gap: float, min_eigenvalue: float, momentum: float = MAX_MOMENTUM) -> StabilityBounds:
    """Return the bounds of two nodes with one edge if their graph had this spectrum."""
    column = torch.ones(2, 1)
    facts = GraphFacts.of(
        smoothness=column,
        mean_curvature=column,
        self_weight=0.5 * column,
        num_nodes=2 * column,
        spectral_gap=spectral_gap * column,
        min_eigenvalue=min_eigenvalue * column,
        weight=torch.tensor([[0.5]]),
    )
    return stability_bounds(facts, PAIR, momentum=momentum)


def bounds_of(problem: Problem, network: Network, momentum: float = 0.0) -> StabilityBounds:
    facts = network_facts(problem, network, torch.zeros(problem.num_nodes, problem.dim))
    return stability_bounds(facts, NetworkExchange(network), momentum=momentum)


def radius(a: float, e: float, q: float, mu: float, keep: float = 1.0) -> float:
    """Return the spectral radius of the rule on a mode of I - W, from its matrix; keep = 1 - p lambda, 1 if flat."""
    # On (x, x before, p y): x^ = (1 + a) x - a x_before; z = keep x^ - p y; x' = (1 - q mu) z;
    # p y' = p y + e mu z.
    z = np.array([keep * (1 + a), -keep * a, -1.0])
    step = np.stack([(1 - q * mu) * z, np.array([1.0, 0, 0]), np.array([0, 0, 1.0]) + e * mu * z])
    return float(np.abs(np.linalg.eigvals(step)).max())


def coefficients(e: float, q: float) -> Coefficients:
    weight = 0.5  # as in pair()
    return Coefficients(torch.full((2, 1), 0.5), torch.tensor([[2 * e * weight]]), torch.tensor([[q * weight]]))


@pytest.mark.parametrize("smallest", [0.0, -0.3, -0.7])
@pytest.mark.parametrize("gap", [0.01, 0.1, 0.6])
@pytest.mark.parametrize("e", [0.02, 0.1, 0.3])
def test_momentum_up_to_the_bound_is_stable_and_little_more_is(gap: float, smallest: float, e: float) -> None:
    known = pair(gap, smallest)
    q = float(max_mixing_weight(torch.tensor(smallest), MAX_MOMENTUM))
    assert float(known.max_mixing_weight) == pytest.approx(0.5 * q)
    bound = float(max_momentum(known, coefficients(e, q), PAIR)[0])
    tried = min(bound, 0.999)
    modes = np.linspace(gap, 1 - smallest, 60)
    assert max(radius(tried, e, q, mu) for mu in modes) < 1
    # The bound takes e larger than it is; with that undone it is sharp.
    sharp = float(max_momentum(known, coefficients(e / DUAL_SAFETY_FACTOR, q), PAIR)[0])
    if sharp < 0.99:
        assert max(radius(1.02 * sharp + 0.005, e, q, mu) for mu in modes) > 1


@pytest.mark.parametrize("smallest", [0.0, -0.3, -0.9])
@pytest.mark.parametrize("share", [0.2, 0.7, 1.0])
def test_the_smaller_the_mixing_weights_the_larger_are_stable_dual_step_sizes(smallest: float, share: float) -> None:
    known = pair(0.1, smallest)
    ends = Ends(torch.tensor([[0.3]]), torch.tensor([[0.5]]))
    u = share * float(known.max_mixing_weight / known.weight)
    e = 0.5 * float(max_dual_step_size(known, ends, u * known.weight)[0] / known.weight[0])

    def worst(e: float) -> float:
        return max(radius(0.0, e, u, mu, keep) for mu in np.linspace(0.1, 1 - smallest, 60) for keep in (0.0, 0.5, 1.0))

    assert worst(0.99 * e) < 1 < worst(1.01 * e)


@pytest.mark.parametrize("a", [0.0, 0.5, 0.97])
def test_a_lone_node_is_stable_up_to_the_maximal_step_size(a: float) -> None:
    network = Network.from_edges([], 1)
    problem = LeastSquares.from_nodes([[[2.0]]], [[0.0]], Zero())  # f(x) = 2 x^2, L = 4
    known = bounds_of(problem, network, a)
    assert curvature_limit(a) == pytest.approx(float(known.max_step_size) * 4)

    def size(share: float) -> float:
        source = ConstantCoefficients(share, 0.5, 1.0, a if a else None, momentum_bound=a)
        states = run(MiLoDo(source), problem, network, torch.ones(1, 1))
        for _ in range(600):
            next(states)
        return float(next(states).x.abs())

    assert size(0.97) < 1e-3
    assert size(1.03) > 1e3


def test_a_node_with_all_the_curvature_is_stable_up_to_the_largest_step() -> None:
    a = 0.9
    network = Network.from_networkx(nx.star_graph(6))  # a leaf averages little, the hub much
    curved = [[[1e-3]]] * 6 + [[[1.0]]]
    problem = LeastSquares.from_nodes(curved, [[0.0]] * 7, Zero())
    known = bounds_of(problem, network, a)
    largest = known.max_step_size[-1]
    for share, stable in ((0.95, True), (1.05, False)):
        step = torch.full((7, 1), float(share * largest))
        source = ConstantCoefficients(step / known.max_step_size, 1e-6, 1.0, a, momentum_bound=a)
        states = run(MiLoDo(source, RecomputeSchedule(1)), problem, network, torch.ones(7, 1))
        for _ in range(2000):
            next(states)
        assert (float(next(states).x.abs().max()) < 10) == stable


@pytest.mark.parametrize("averaging", [0.3, 1.0])
def test_the_less_a_node_averages_the_shorter_its_largest_step(averaging: float) -> None:
    network = Network.from_networkx(nx.star_graph(6))
    problem = LeastSquares.from_nodes([[[0.1]]] * 6 + [[[1.0]]], [[0.0]] * 7, Zero())
    known, exchange = bounds_of(problem, network), NetworkExchange(network)
    largest = max_step_size_with(known, averaging * known.weight, exchange)
    own = 1 - averaging * (1 - network.self_weight)
    torch.testing.assert_close(largest, (1 + 1 / own) / problem.smoothness())
    torch.testing.assert_close(max_step_size_with(known, known.weight, exchange), known.max_step_size)
    torch.testing.assert_close(max_step_size_with(known, 5 * known.weight, exchange), known.max_step_size)
    for share, stable in ((0.95, True), (1.05, False)):
        step = torch.full((7, 1), float(share * largest[-1]))
        source = ConstantCoefficients(step / known.max_step_size, 1e-6, averaging)
        states = run(MiLoDo(source, RecomputeSchedule(1)), problem, network, torch.ones(7, 1))
        for _ in range(2000):
            next(states)
        assert (float(next(states).x.abs().max()) < 10) == stable


def test_without_momentum_step_sizes_follow_the_mixing_weights() -> None:
    network = Network.from_networkx(nx.cycle_graph(5))
    problem = LeastSquares.from_nodes(list(torch.randn(5, 2, 3)), list(torch.randn(5, 2)), Zero())
    known, exchange = bounds_of(problem, network), NetworkExchange(network)
    last = Coefficients(known.max_step_size, known.weight, 0.5 * known.weight)
    large, none = torch.full((5, 1), 50.0), torch.zeros(5, 1)

    def emitted(bounds: StabilityBounds, last: Coefficients | None, curvature: torch.Tensor = none) -> torch.Tensor:
        limits = limits_without_momentum(bounds, last, exchange)
        torch.testing.assert_close(limits.common, limits.own.min().expand(5, 1))
        return bounded_step_size(large, large, limits, curvature, bounds)

    expected = 0.8 * max_step_size_with(known, last.mixing_weight, exchange)
    torch.testing.assert_close(emitted(known, last), expected)
    torch.testing.assert_close(emitted(known, None), 0.8 * known.max_step_size)
    varying = replace(known, max_step_factor=2.0)
    torch.testing.assert_close(emitted(varying, None), 0.75 * varying.max_step_size)
    torch.testing.assert_close(emitted(varying, None, 1e3 + none), torch.full((5, 1), 0.6 * 2 / 1e3))


def test_the_effective_self_weight_counts_where_mixing_weights_are_limited() -> None:
    """On a hypercube p_ij2 stays below 0.73 w_ij; step sizes that w_ii alone would allow diverge there."""
    a = 0.97
    network = Network.from_networkx(nx.hypercube_graph(5))
    generator = np.random.default_rng(0)
    data = [generator.standard_normal((3, 60)) for _ in range(32)]
    problem = LeastSquares.from_nodes(data, [np.zeros(3)] * 32, Zero())
    start = torch.from_numpy(generator.standard_normal((32, 60)))
    known = bounds_of(problem, network, a)
    too_large = (1 + 1 / ((1 + 2 * a) * network.self_weight)) / problem.smoothness()
    for step, stable in ((known.max_step_size, True), (too_large, False)):
        source = ConstantCoefficients(0.9 * step / known.max_step_size, 0.1, 1.0, 0.95, momentum_bound=a)
        states = run(MiLoDo(source, RecomputeSchedule(1)), problem, network, start)
        for _ in range(300):
            state = next(states)
        assert (float(state.x.norm()) < float(start.norm())) == stable


@pytest.mark.parametrize("checked", [True, False])
@pytest.mark.parametrize("accelerated", [True, False])
def test_held_steps_that_prove_too_large_are_shortened(checked: bool, accelerated: bool, monkeypatch) -> None:
    """Nodes that are all alike, which at first move where the loss is nearly flat."""
    if not checked:
        monkeypatch.setattr(rule, "CHECK_EVERY", 10**9)
    network = Network.from_networkx(nx.complete_graph(8))
    problem = LeastSquares.from_nodes([np.diag([1.0, 0.05])] * 8, [np.zeros(2)] * 8, Zero())
    source = LearnedScalars(accelerated=accelerated)
    source.emit(1.19 if accelerated else 0.79, 0.1, 0.9, 0.9)
    algorithm = MiLoDo(source, RecomputeSchedule(3), safeguarded=False)
    start = torch.tensor([[1e-7, 1.0]]).repeat(8, 1)
    with torch.no_grad():
        states = run(algorithm, problem, network, start)
        for _ in range(3000):
            next(states)
        assert (float(next(states).x.abs().max()) < 1e-3) == checked


def test_a_move_as_short_as_rounding_shows_no_curvature() -> None:
    network = Network.from_networkx(nx.path_graph(2))
    problem = LeastSquares.from_nodes([[[1.0]]] * 2, [[0.0]] * 2, Zero())
    at = torch.ones(2, 1)
    state = MiLoDoState.first(at, 4 * at, None, network_facts(problem, network, at), bounds_of(problem, network))
    moves = torch.tensor([[1e-9], [1e-6]])
    state = replace(state, previous=at - moves, previous_gradient=4 * (at - moves))
    torch.testing.assert_close(secant_curvature(state, 4 * at), torch.tensor([[0.0], [4.0]]), rtol=1e-5, atol=0)
    backwards = replace(state, previous_gradient=4 * (at + moves))
    assert not secant_curvature(backwards, 4 * at).any()


def test_every_node_takes_the_momentum_that_its_worst_edge_allows() -> None:
    network = Network.from_networkx(nx.path_graph(4))
    problem, exchange = LeastSquares.from_nodes([[[1.0]]] * 4, [[0.0]] * 4, Zero()), NetworkExchange(network)
    known = bounds_of(problem, network, 0.97)

    def allowed(dual: torch.Tensor) -> torch.Tensor:
        found = Coefficients(torch.full((4, 1), 0.5), dual, 0.5 * known.weight)
        return max_momentum(known, found, exchange).flatten()

    unequal = allowed(known.weight * torch.tensor([[0.1], [0.1], [2.0]]))  # the last link has a large dual step size
    alike = allowed(0.1 * known.weight)
    torch.testing.assert_close(unequal[:2], alike[:2])
    assert (unequal[2:] < alike[2:]).all()
    assert float(unequal[2]) == float(unequal[3])


@pytest.mark.parametrize("momentum", [0.01, 0.5, 0.95, 0.969])
def test_every_momentum_can_be_proposed(momentum: float) -> None:
    assert float(proposed_momentum(torch.tensor(momentum_logit(momentum)))) == pytest.approx(momentum)


def test_no_output_proposes_more_than_the_largest_momentum() -> None:
    extremes = proposed_momentum(torch.tensor([-1e3, 1e3]))
    torch.testing.assert_close(extremes, torch.tensor([0.0, MAX_MOMENTUM]))
    with pytest.raises(InputError, match=r"momentum lies between 0 and 0.97, got 0.98"):
        momentum_logit(0.98)
