"""The rule of MiLoDo against its equations written out, and what it promises whatever its networks emit."""

from dataclasses import replace

import hypothesis.strategies as st
import networkx as nx
import pytest
import torch
from hypothesis import given, settings
from torch import Tensor

from gnn_l2o.graph.network import Network
from gnn_l2o.learned import ExactDiffusionCoefficients, MiLoDo
from gnn_l2o.nn import CoefficientSource, CoordinateLSTM, MiLoDoState
from gnn_l2o.problems import LeastSquares, solve
from gnn_l2o.problems.regularizers import L1, Box, Zero
from tests.learned.random_milodo import ARCHITECTURES, TOPOLOGIES, least_squares, network_of, random_optimizer
from tests.learned.runs import after


class RandomCoefficients(CoefficientSource):
    """Draws symmetric positive coefficients anew at every step, and momentum if asked to."""

    def __init__(self, momentum: float | None = None, directed: bool = False) -> None:
        self.max_momentum, self.directed = momentum, directed

    def preconditioner(self, state, gradient, exchange):
        return torch.rand_like(state.x) * 0.1 + 0.01, None

    def edge_weights(self, state, z, message, memory, exchange):
        return torch.rand_like(z.own) + 0.1, torch.rand_like(z.own) * 0.2, None

    def momentum(self, bounds, coefficients, memory, exchange):
        return None if self.max_momentum is None else self.max_momentum * torch.rand_like(coefficients.preconditioner)


def test_a_step_is_equations_22_to_24_written_out():
    network = Network.from_networkx(nx.erdos_renyi_graph(6, 0.6, seed=1))
    problem = least_squares(6, L1(0.1))
    algorithm = MiLoDo(RandomCoefficients())
    before = after(algorithm, problem, network, 2)
    state = algorithm.step(problem, network, before)
    coefficients = state.coefficients
    step, dual, mixing = coefficients.preconditioner, coefficients.dual_step_size, coefficients.mixing_weight
    z = torch.empty_like(before.x)
    for i in range(6):
        a, b = problem.features[i], problem.targets[i]
        gradient = a.T @ (a @ before.x[i] - b) / 3
        v = before.x[i] - step[i] * (gradient + before.y[i])
        z[i] = v.sign() * (v.abs() - step[i] * 0.1).clamp(min=0)
    x, y = z.clone(), before.y.clone()
    for e, (i, j) in enumerate(network.link_index.T.tolist()):
        for here, there in ((i, j), (j, i)):
            y[here] += dual[e] * (z[here] - z[there])
            x[here] -= mixing[e] * (z[here] - z[there])
    torch.testing.assert_close(state.z, z)
    torch.testing.assert_close(state.y, y)
    torch.testing.assert_close(state.x, x)


def test_momentum_moves_where_the_next_step_begins():
    network = Network.from_networkx(nx.erdos_renyi_graph(6, 0.6, seed=1))
    problem = least_squares(6, L1(0.1))
    algorithm = MiLoDo(RandomCoefficients(momentum=0.9))
    before = after(algorithm, problem, network, 3)
    state = algorithm.step(problem, network, before)
    assert not torch.equal(before.extrapolated, before.x)
    v = before.extrapolated - state.coefficients.preconditioner * (problem.gradient(before.extrapolated) + before.y)
    torch.testing.assert_close(state.z, problem.prox(v, state.coefficients.preconditioner))
    torch.testing.assert_close(state.extrapolated, state.x + state.coefficients.momentum * (state.x - before.x))
    assert torch.equal(state.previous, before.extrapolated)


def test_restarted_coordinates_that_turn_back_move_without_momentum():
    network = Network.from_networkx(nx.cycle_graph(6))
    problem = least_squares(6, L1(0.1))
    algorithm = replace(MiLoDo(RandomCoefficients(momentum=0.9)), restart=True)
    before = after(algorithm, problem, network, 5)
    state = algorithm.step(problem, network, before)
    turned = (before.extrapolated - state.x) * (state.x - before.x) > 0
    assert turned.any() and not turned.all()
    torch.testing.assert_close(state.extrapolated[turned], state.x[turned], rtol=0, atol=0)
    moved_on = (state.x + state.coefficients.momentum * (state.x - before.x))[~turned]
    torch.testing.assert_close(state.extrapolated[~turned], moved_on)


@pytest.mark.parametrize("topology", ["ring", "star", "erdos_renyi"])
def test_frozen_coefficients_of_whole_edges_are_applied_as_a_matrix_that_gives_the_same(topology: str):
    network, problem = network_of(topology), least_squares(8, L1(0.1))
    algorithm = random_optimizer(ARCHITECTURES[-1])
    frozen = after(algorithm, problem, network, 8)
    coefficients = frozen.coefficients
    assert coefficients is not None
    assert coefficients.dual_step_size.shape == coefficients.mixing_weight.shape == (network.link_index.size(1), 1)
    with torch.no_grad():
        quick = algorithm.step(problem, network, frozen)
    assert quick.operator is not None and frozen.operator is None
    slow = algorithm.step(problem, network, frozen)  # differentiable: edge by edge
    assert slow.operator is None
    for name in ("x", "y", "z", "extrapolated"):
        torch.testing.assert_close(getattr(quick, name), getattr(slow, name).detach())
    rounds = network.traffic.rounds
    with torch.no_grad():
        again = algorithm.step(problem, network, quick)
    assert again.operator is quick.operator and network.traffic.rounds == rounds + 1


def test_coefficients_of_whole_edges_do_not_depend_on_the_order_or_number_of_coordinates():
    network = network_of("ring")
    a, b, order = torch.randn(8, 3, 4), torch.randn(8, 3), torch.tensor([2, 0, 3, 1])
    algorithm = random_optimizer(ARCHITECTURES[-1])
    problems = [
        LeastSquares.from_nodes(list(a), list(b), Zero()),
        LeastSquares.from_nodes(list(a[:, :, order]), list(b), Zero()),
    ]
    given, permuted = (after(algorithm, problem, network, 4).coefficients for problem in problems)
    assert given.dual_step_size.std() > 1e-6  # they differ from edge to edge
    torch.testing.assert_close(permuted.dual_step_size, given.dual_step_size)
    torch.testing.assert_close(permuted.preconditioner, given.preconditioner[:, order])


def test_blocks_of_coordinates_change_nothing(monkeypatch):
    lstm = CoordinateLSTM(3, 4, 2)
    features, memory = torch.randn(3, 5, 7), (torch.randn(4, 5, 7), torch.randn(4, 5, 7))
    with torch.no_grad():
        whole = lstm(features, memory)
        monkeypatch.setattr("gnn_l2o.nn.lstm.BLOCK", 8)
        blocks = lstm(features, memory)
    torch.testing.assert_close(blocks, whole)


def test_momentum_zero_is_the_papers_rule_bit_for_bit():
    network = Network.from_networkx(nx.erdos_renyi_graph(6, 0.6, seed=1))
    problem = least_squares(6, L1(0.1))

    class NoMomentum(RandomCoefficients):
        def momentum(self, bounds, coefficients, memory, exchange):
            return torch.zeros_like(coefficients.preconditioner)

    states = []
    for source in (RandomCoefficients(), NoMomentum()):
        torch.manual_seed(1)
        states.append(after(MiLoDo(source), problem, network, 50))
    assert torch.equal(states[0].x, states[1].x)
    assert torch.equal(states[0].y, states[1].y)


def test_at_a_solution_momentum_moves_nothing():
    network = Network.from_networkx(nx.erdos_renyi_graph(6, 0.6, seed=1))
    problem = least_squares(6, L1(0.1))
    x = solve(problem).x.expand(6, -1)
    gradient = problem.gradient(x)
    algorithm = MiLoDo(RandomCoefficients(momentum=0.9))
    state = algorithm.init(problem, network, x)
    state = replace(state, y=gradient.mean(dim=0) - gradient)  # y_i* = -grad f_i(x*) - g*, g* = -mean grad f
    for _ in range(5):
        state = algorithm.step(problem, network, state)
    torch.testing.assert_close(state.x, x, rtol=0, atol=1e-9)


def dense_exact_diffusion(problem: LeastSquares, network: Network, step_size: float, steps: int) -> Tensor:
    """x+ = (I + W) / 2 (x + psi+ - psi), psi+ = x - a grad f(x), psi = x at first (Yuan et al. 2018)."""
    mixing = 0.5 * (torch.eye(problem.num_nodes) + network.matrix())
    x = torch.zeros(problem.num_nodes, problem.dim)
    psi = x
    for _ in range(steps):
        new = x - step_size * problem.gradient(x)
        x, psi = mixing @ (x + new - psi), new
    return x


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_constant_coefficients_are_exact_diffusion(topology):
    network = network_of(topology)
    problem = least_squares(network.num_nodes, Zero())
    state = after(MiLoDo(ExactDiffusionCoefficients(0.05)), problem, network, 200)
    expected = dense_exact_diffusion(problem, network, 0.05, 200)
    assert expected.abs().max() > 0.01
    torch.testing.assert_close(state.x, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("architecture", [a for a in ARCHITECTURES if a.parametrization == "paper"])
def test_special_initialization_starts_as_exact_diffusion(architecture):
    network = network_of("erdos_renyi")
    problem = least_squares(network.num_nodes, Zero())
    preconditioner = architecture.build()
    preconditioner.emit_exact_diffusion(0.05)
    state = after(architecture.algorithm(preconditioner), problem, network, 50)
    torch.testing.assert_close(state.x, dense_exact_diffusion(problem, network, 0.05, 50))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_the_duals_sum_to_zero(topology, architecture):
    network = network_of(topology)
    problem = least_squares(network.num_nodes, L1(0.05))
    state = after(random_optimizer(architecture, spread=0.2), problem, network, 15)
    assert state.y.abs().max() > 1e-3  # they did move
    torch.testing.assert_close(state.y.sum(0), torch.zeros(4), rtol=0, atol=1e-10)


def test_without_symmetry_the_duals_drift():
    network = network_of("ring")
    problem = least_squares(network.num_nodes, L1(0.05))
    state = after(MiLoDo(RandomCoefficients(directed=True)), problem, network, 30)
    assert state.y.sum(0).abs().max() > 1e-3


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("regularizer", [Zero(), L1(0.1), Box(-0.2, 0.3)])
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_the_certified_optimum_is_a_fixed_point_whatever_the_weights(topology, regularizer, architecture):
    network = network_of(topology)
    nodes = network.num_nodes
    problem = least_squares(nodes, regularizer)
    optimum = solve(problem).x.expand(nodes, -1)
    gradient = problem.gradient(optimum)
    algorithm = random_optimizer(architecture)
    state = algorithm.init(problem, network, optimum)
    moved = after(algorithm, problem, network, 3).x
    assert (moved - optimum).abs().max() > 1e-2  # elsewhere it moves
    # At the optimum the duals are y_i = -grad f_i - g with one subgradient g of r, g = -mean grad f_i.
    state = MiLoDoState(**{**vars(state), "y": gradient.mean(0) - gradient})
    with torch.no_grad():
        for _ in range(5):
            state = algorithm.step(problem, network, state)
    torch.testing.assert_close(state.x, optimum, rtol=0, atol=1e-9)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@given(order=st.permutations(range(7)))
@settings(max_examples=10)
def test_renaming_the_nodes_renames_the_iterates(architecture, order):
    torch.manual_seed(0)
    graph = nx.erdos_renyi_graph(7, 0.5, seed=2)
    permutation = torch.tensor(order)  # node i is now called order[i]
    problem = least_squares(7, L1(0.05))
    algorithm = random_optimizer(architecture)
    expected = torch.empty(7, 4)
    expected[permutation] = after(algorithm, problem, Network.from_networkx(graph), 6).x
    renamed = Network.from_edges([(order[u], order[v]) for u, v in graph.edges], 7)
    back = torch.argsort(permutation)
    shuffled = LeastSquares.from_nodes(list(problem.features[back]), list(problem.targets[back]), L1(0.05))
    torch.testing.assert_close(after(algorithm, shuffled, renamed, 6).x, expected)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_one_set_of_weights_runs_on_every_graph_and_dimension(architecture):
    algorithm = random_optimizer(architecture)
    for topology in TOPOLOGIES:
        network = network_of(topology, 16)
        for dim in (1, 7):
            problem = least_squares(network.num_nodes, L1(0.05), dim=dim)
            assert after(algorithm, problem, network, 3).x.isfinite().all()


@pytest.mark.parametrize("nodes", [1, 2])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_one_and_two_nodes(nodes, architecture):
    network = Network.from_edges([(0, 1)][: nodes - 1], nodes)
    problem = least_squares(nodes, L1(0.05), samples=6)
    preconditioner = architecture.build()
    if architecture.parametrization == "paper":
        preconditioner.emit_exact_diffusion(0.05)
    else:
        preconditioner.emit(0.4, 0.5, 0.5)
    state = after(architecture.algorithm(preconditioner), problem, network, 3000)
    torch.testing.assert_close(state.x, solve(problem).x.expand(nodes, -1), rtol=0, atol=1e-8)
