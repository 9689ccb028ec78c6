"""The units of the gains: what is stable by the formulas is stable by the eigenvalues, and little more is."""

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
import torch

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.driver import run
from gnn_l2o.graph.network import Network
from gnn_l2o.learned import ConstantCoefficients, LearnedScalars, MiLoDo, RecomputeSchedule
from gnn_l2o.learned.milodo import graph_facts
from gnn_l2o.nn import rule
from gnn_l2o.nn.features import secant_curvature
from gnn_l2o.nn.node_preconditioner import MAX_MOMENTUM, bounded_step, momentum_logit, proposed_momentum
from gnn_l2o.nn.rule import ROOM, Coefficients, GraphFacts, MiLoDoState
from gnn_l2o.problems import LeastSquares
from gnn_l2o.problems.regularizers import Zero


def context(gap: float, least: float, momentum_bound: float = 0.97) -> GraphFacts:
    """Return what two nodes with one edge know if their graph had this spectrum."""
    column = torch.ones(2, 1)
    return GraphFacts(
        smoothness=column,
        mean_curvature=column,
        nodes=2 * column,
        pull=0 * column,
        self_weight=0.5 * column,
        gap=gap * column,
        least=least * column,
        graph=torch.zeros(2, dtype=torch.long),
        ends=torch.tensor([[0], [1]]),
        weight=torch.tensor([[0.5]]),
        momentum_bound=momentum_bound,
    )


def radius(a: float, e: float, q: float, mu: float, keep: float = 1.0) -> float:
    """Return the spectral radius of the rule on a mode of I - W, from its matrix; keep = 1 - p lambda, 1 if flat."""
    # On (x, x before, p y): ahead = (1 + a) x - a x_before; z = keep ahead - p y; x' = (1 - q mu) z;
    # p y' = p y + e mu z.
    z = np.array([keep * (1 + a), -keep * a, -1.0])
    step = np.stack([(1 - q * mu) * z, np.array([1.0, 0, 0]), np.array([0, 0, 1.0]) + e * mu * z])
    return float(np.abs(np.linalg.eigvals(step)).max())


def gains(e: float, q: float) -> Coefficients:
    weight = 0.5  # as in context()
    step, dual, primal = torch.full((2, 1), 0.5), torch.tensor([[2 * e * weight]]), torch.tensor([[q * weight]])
    return Coefficients(step, dual, primal)


@pytest.mark.parametrize("least", [0.0, -0.3, -0.7])
@pytest.mark.parametrize("gap", [0.01, 0.1, 0.6])
@pytest.mark.parametrize("e", [0.02, 0.1, 0.3])
def test_momentum_up_to_the_bound_is_stable_and_little_more_is(gap: float, least: float, e: float) -> None:
    known = context(gap, least)
    q = float(known.max_mixing_weight)
    bound = float(known.max_momentum(gains(e, q))[0])
    tried = min(bound, 0.999)
    modes = np.linspace(gap, 1 - least, 60)
    assert max(radius(tried, e, q, mu) for mu in modes) < 1
    # The bound takes e larger than it is; with that undone it is sharp.
    sharp = float(known.max_momentum(gains(e / ROOM, q))[0])
    if sharp < 0.99:
        assert max(radius(1.02 * sharp + 0.005, e, q, mu) for mu in modes) > 1


@pytest.mark.parametrize("least", [0.0, -0.3, -0.9])
@pytest.mark.parametrize("share", [0.2, 0.7, 1.0])
def test_the_less_a_graph_averages_the_larger_its_stable_dual_gains(least: float, share: float) -> None:
    known = context(0.1, least)
    step = torch.tensor([[0.3], [0.5]])
    u = share * float(known.max_mixing_weight)
    e = 0.5 * float(known.max_dual_step_size(step, u * known.weight)[0] / known.weight[0])

    def worst(e: float) -> float:
        return max(radius(0.0, e, u, mu, keep) for mu in np.linspace(0.1, 1 - least, 60) for keep in (0.0, 0.5, 1.0))

    assert worst(0.99 * e) < 1 < worst(1.01 * e)


@pytest.mark.parametrize("a", [0.0, 0.5, 0.97])
def test_a_lone_node_is_stable_up_to_the_longest_step(a: float) -> None:
    network = Network.from_edges([], 1)
    problem = LeastSquares.from_nodes([[[2.0]]], [[0.0]], Zero())  # f(x) = 2 x^2, L = 4
    known = graph_facts(problem, network, torch.zeros(1, 1), momentum_bound=a)
    assert known.curvature_limit == pytest.approx(float(known.max_step_size) * 4)

    def size(share: float) -> float:
        source = ConstantCoefficients(share, 0.5, 1.0, a if a else None)
        states = run(MiLoDo(source, momentum_bound=a), problem, network, torch.ones(1, 1))
        for _ in range(600):
            next(states)
        return float(next(states).x.abs())

    assert size(0.97) < 1e-3
    assert size(1.03) > 1e3


def test_a_node_with_all_the_curvature_is_stable_up_to_the_longest_step() -> None:
    a = 0.9
    network = Network.from_networkx(nx.star_graph(6))  # a leaf averages little, the hub much
    curved = [[[1e-3]]] * 6 + [[[1.0]]]
    problem = LeastSquares.from_nodes(curved, [[0.0]] * 7, Zero())
    known = graph_facts(problem, network, torch.zeros(7, 1), momentum_bound=a)
    longest = known.max_step_size[-1]
    for share, stable in ((0.95, True), (1.05, False)):
        step = torch.full((7, 1), float(share * longest))
        network_gains = ConstantCoefficients(step / known.max_step_size, 1e-6, 1.0, a)
        states = run(MiLoDo(network_gains, RecomputeSchedule(1), momentum_bound=a), problem, network, torch.ones(7, 1))
        for _ in range(2000):
            next(states)
        assert (float(next(states).x.abs().max()) < 10) == stable


@pytest.mark.parametrize("averaging", [0.3, 1.0])
def test_the_less_a_node_averages_the_shorter_its_longest_step(averaging: float) -> None:
    network = Network.from_networkx(nx.star_graph(6))
    problem = LeastSquares.from_nodes([[[1e-3]]] * 6 + [[[1.0]]], [[0.0]] * 7, Zero())
    known = graph_facts(problem, network, torch.zeros(7, 1))
    longest = known.max_step_size_with(averaging * known.weight)
    kept = 1 - averaging * (1 - network.self_weight)
    torch.testing.assert_close(longest, (1 + 1 / kept) / problem.smoothness())
    torch.testing.assert_close(known.max_step_size_with(known.weight), known.max_step_size)
    torch.testing.assert_close(known.max_step_size_with(5 * known.weight), known.max_step_size)
    for share, stable in ((0.95, True), (1.05, False)):
        step = torch.full((7, 1), float(share * longest[-1]))
        source = ConstantCoefficients(step / known.max_step_size, 1e-6, averaging)
        states = run(MiLoDo(source, RecomputeSchedule(1)), problem, network, torch.ones(7, 1))
        for _ in range(2000):
            next(states)
        assert (float(next(states).x.abs().max()) < 10) == stable


def test_a_scale_free_network_without_momentum_measures_steps_by_its_averaging() -> None:
    network = Network.from_networkx(nx.cycle_graph(5))
    problem = LeastSquares.from_nodes(list(torch.randn(5, 2, 3)), list(torch.randn(5, 2)), Zero())
    known = graph_facts(problem, network, torch.zeros(5, 3))
    gains = Coefficients(known.max_step_size, known.weight, 0.5 * known.weight)
    large, none = torch.full((5, 1), 50.0), torch.zeros(5, 1)
    torch.testing.assert_close(
        bounded_step(large, large, known, none, gains), 0.8 * known.max_step_size_with(gains.primal)
    )
    torch.testing.assert_close(bounded_step(large, large, known, none), 0.8 * known.max_step_size)
    cycling = replace(known, max_step_factor=2.0)
    torch.testing.assert_close(bounded_step(large, large, cycling, none), 0.75 * cycling.max_step_size)
    curved = bounded_step(large, large, cycling, 1e3 + none)
    torch.testing.assert_close(curved, torch.full((5, 1), 0.6 * 2 / 1e3))


def test_what_a_node_keeps_of_its_own_counts_where_averaging_is_cut() -> None:
    """On a hypercube p_ij2 stays below 0.73 w_ij; steps as long as w_ii alone would allow are lost there."""
    a = 0.97
    network = Network.from_networkx(nx.hypercube_graph(5))
    generator = np.random.default_rng(0)
    data = [generator.standard_normal((3, 60)) for _ in range(32)]
    problem = LeastSquares.from_nodes(data, [np.zeros(3)] * 32, Zero())
    start = torch.from_numpy(generator.standard_normal((32, 60)))
    known = graph_facts(problem, network, start, momentum_bound=a)
    too_long = (1 + 1 / ((1 + 2 * a) * network.self_weight)) / problem.smoothness()
    for step, stable in ((known.max_step_size, True), (too_long, False)):
        source = ConstantCoefficients(0.9 * step / known.max_step_size, 0.1, 1.0, 0.95)
        states = run(MiLoDo(source, RecomputeSchedule(1), momentum_bound=a), problem, network, start)
        for _ in range(300):
            state = next(states)
        assert (float(state.x.norm()) < float(start.norm())) == stable


@pytest.mark.parametrize("watched", [True, False])
@pytest.mark.parametrize("accelerated", [True, False])
def test_held_steps_that_prove_too_long_are_shortened(watched: bool, accelerated: bool, monkeypatch) -> None:
    """Nodes that are all alike, which at first move where the loss is nearly flat."""
    if not watched:
        monkeypatch.setattr(rule, "WATCH_EVERY", 10**9)
    network = Network.from_networkx(nx.complete_graph(8))
    problem = LeastSquares.from_nodes([np.diag([1.0, 0.05])] * 8, [np.zeros(2)] * 8, Zero())
    source = LearnedScalars(accelerated=accelerated)
    source.emit(1.19 if accelerated else 0.79, 0.1, 0.9, 0.9)
    algorithm = MiLoDo(source, RecomputeSchedule(3), momentum_bound=source.momentum_bound)
    start = torch.tensor([[1e-7, 1.0]]).repeat(8, 1)
    with torch.no_grad():
        states = run(algorithm, problem, network, start)
        for _ in range(3000):
            next(states)
        assert (float(next(states).x.abs().max()) < 1e-3) == watched


def test_a_move_as_short_as_rounding_shows_no_curvature() -> None:
    network = Network.from_networkx(nx.path_graph(2))
    problem = LeastSquares.from_nodes([[[1.0]]] * 2, [[0.0]] * 2, Zero())
    known = graph_facts(problem, network, torch.zeros(2, 1))
    at = torch.ones(2, 1)
    state = MiLoDoState.first(at, 4 * at, None, known)
    moves = torch.tensor([[1e-9], [1e-6]])
    state = replace(state, previous=at - moves, previous_gradient=4 * (at - moves))
    torch.testing.assert_close(secant_curvature(state, 4 * at), torch.tensor([[0.0], [4.0]]), rtol=1e-5, atol=0)
    backwards = replace(state, previous_gradient=4 * (at + moves))
    assert not secant_curvature(backwards, 4 * at).any()


def test_every_node_yields_to_its_own_worst_edge() -> None:
    network = Network.from_networkx(nx.path_graph(4))
    known = graph_facts(
        LeastSquares.from_nodes([[[1.0]]] * 4, [[0.0]] * 4, Zero()), network, torch.zeros(4, 1), momentum_bound=0.97
    )
    dual = known.weight * torch.tensor([[0.1], [0.1], [2.0]])  # the last link pulls hard
    room = known.max_momentum(Coefficients(torch.full((4, 1), 0.5), dual, 0.5 * known.weight)).flatten()
    alike = known.max_momentum(Coefficients(torch.full((4, 1), 0.5), 0.1 * known.weight, 0.5 * known.weight)).flatten()
    torch.testing.assert_close(room[:2], alike[:2])
    assert (room[2:] < alike[2:]).all()
    assert float(room[2]) == float(room[3])


@pytest.mark.parametrize("momentum", [0.01, 0.5, 0.95, 0.969])
def test_a_momentum_can_be_asked_for(momentum: float) -> None:
    assert float(proposed_momentum(torch.tensor(momentum_logit(momentum)))) == pytest.approx(momentum)


def test_no_output_asks_for_more_than_the_largest_momentum() -> None:
    extremes = proposed_momentum(torch.tensor([-1e3, 1e3]))
    torch.testing.assert_close(extremes, torch.tensor([0.0, MAX_MOMENTUM]))
    with pytest.raises(InputError, match=r"momentum lies between 0 and 0.97, got 0.98"):
        momentum_logit(0.98)
