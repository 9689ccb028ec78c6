import copy
from dataclasses import replace

import hypothesis.strategies as st
import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import Tensor, nn
from torch_geometric.utils import from_networkx

from gnn_l2o import plugins
from gnn_l2o.algorithms.driver import run
from gnn_l2o.graph.build import build_network
from gnn_l2o.graph.exchange import NetworkExchange
from gnn_l2o.graph.network import Network
from gnn_l2o.learned import (
    ConstantCoefficients,
    ExactDiffusionCoefficients,
    MiLoDo,
    MiLoDoArchitecture,
    RecomputeSchedule,
)
from gnn_l2o.learned.schedule import chebyshev_step_factors
from gnn_l2o.nn import CoefficientSource, CoordinateLSTM, MiLoDoConv, MiLoDoState, Preconditioner
from gnn_l2o.nn.features import signed_log
from gnn_l2o.nn.stability import max_dual_step_size, min_dual_step_size
from gnn_l2o.nn.step_size import bounded_step_size, limits_with_momentum
from gnn_l2o.problems import LeastSquares, Problem, solve
from gnn_l2o.problems.regularizers import L1, Box, Regularizer, Zero

TOPOLOGIES = [name for name in plugins.available("topology") if name != "from_file" and "directed" not in name]
ARCHITECTURES = [
    MiLoDoArchitecture(parametrization=parametrization, symmetrize=symmetrize, hidden_features=5, warmup=8)
    for parametrization in ("scale_free", "paper")
    for symmetrize in ("even", "mean")
] + [
    MiLoDoArchitecture(accelerated=True, hidden_features=5, warmup=8),
    MiLoDoArchitecture(accelerated=True, hidden_features=5, warmup=8, log_features=False),
    MiLoDoArchitecture(accelerated=True, hidden_features=5, warmup=8, edge_weights="edge"),
]


def network_of(topology: str, nodes: int = 8) -> Network:
    fixed = topology == "real"
    return build_network(topology, None if fixed else nodes, seed=3)


def least_squares(num_nodes: int, regularizer: Regularizer, dim: int = 4, samples: int = 3) -> LeastSquares:
    a, b = torch.randn(num_nodes, samples, dim), torch.randn(num_nodes, samples)
    return LeastSquares.from_nodes(list(a), list(b), regularizer)


def random_optimizer(architecture: MiLoDoArchitecture, spread: float = 1.0) -> MiLoDo:
    """Return an optimizer whose coefficients vary with the node, edge, coordinate and iteration."""
    preconditioner = architecture.build()
    if architecture.parametrization == "paper":
        preconditioner.emit_exact_diffusion(0.05)
    for lstm in (m for m in preconditioner.modules() if isinstance(m, CoordinateLSTM)):
        with torch.no_grad():
            lstm.outer.weight.uniform_(-spread, spread).mul_(0.02 if architecture.parametrization == "paper" else 1.0)
    return architecture.algorithm(preconditioner)


def after(algorithm: MiLoDo, problem: Problem, network: Network, steps: int, x0: Tensor | None = None) -> MiLoDoState:
    x0 = torch.zeros(problem.num_nodes, problem.dim) if x0 is None else x0
    with torch.no_grad():
        for k, state in enumerate(run(algorithm, problem, network, x0)):
            if k == steps:
                return state
    raise AssertionError


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


# The rule


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


# The networks


def test_the_coordinate_lstm_is_torchs_cell_and_a_perceptron():
    lstm = CoordinateLSTM(3, 5, 2)
    features, h, c = torch.randn(3, 4, 6), torch.randn(5, 4, 6), torch.randn(5, 4, 6)
    output, (new_h, new_c) = lstm(features, (h, c))
    for row in range(4):
        for k in range(6):
            expected = lstm.cell(features[:, row, k], (h[:, row, k], c[:, row, k]))
            torch.testing.assert_close((new_h[:, row, k], new_c[:, row, k]), expected)
            torch.testing.assert_close(output[:, row, k], lstm.outer(lstm.inner(expected[0]).relu()))


class DensePaperOptimizer:
    """Algorithm 1 of He et al. 2024, node by node and neighbour by neighbour, with networks of each node's own."""

    def __init__(self, preconditioner: Preconditioner, network: Network) -> None:
        self.nodes = [copy.deepcopy(preconditioner) for _ in range(network.num_nodes)]
        self.mixing = network.matrix()
        self.neighbours = [
            [j for j in range(network.num_nodes) if j != i and self.mixing[i, j] > 0] for i in range(network.num_nodes)
        ]

    @staticmethod
    def evaluate(lstm: CoordinateLSTM, inputs: list[Tensor], memory):
        h, c = lstm.cell(torch.stack(inputs, dim=-1), memory)
        return lstm.outer(lstm.inner(h).relu()).squeeze(-1), (h, c)

    def run(self, problem: LeastSquares, weight: float, steps: int) -> Tensor:
        n, d, width = len(self.nodes), problem.dim, self.nodes[0].node.lstm.hidden_features
        zero = torch.zeros(d, width)
        x, y = [torch.zeros(d) for _ in range(n)], [torch.zeros(d) for _ in range(n)]
        memory_m = [(zero, zero)] * n
        memory_s = {(i, j): (zero, zero) for i in range(n) for j in self.neighbours[i]}
        memory_u = dict(memory_s)
        for _ in range(steps):
            z = []
            for i in range(n):
                a, b = problem.features[i], problem.targets[i]
                gradient = a.T @ (a @ x[i] - b) / len(b)
                output, memory_m[i] = self.evaluate(self.nodes[i].node.lstm, [gradient, y[i]], memory_m[i])
                p = output.relu()
                v = x[i] - p * (gradient + y[i])
                z.append(v.sign() * (v.abs() - p * weight).clamp(min=0))
            p1, p2 = {}, {}
            for i in range(n):
                phi_s, phi_u = self.nodes[i].edge.lstms
                for j in self.neighbours[i]:
                    s, memory_s[i, j] = self.evaluate(phi_s, [z[i] - z[j]], memory_s[i, j])
                    u, memory_u[i, j] = self.evaluate(phi_u, [z[i] - z[j]], memory_u[i, j])
                    p1[i, j], p2[i, j] = self.mixing[i, j] * s.exp(), self.mixing[i, j] * u.relu()
            for i in range(n):
                x[i] = z[i].clone()
                for j in self.neighbours[i]:
                    y[i] = y[i] + (p1[i, j] + p1[j, i]) / 2 * (z[i] - z[j])
                    x[i] = x[i] - p2[i, j] * (z[i] - z[j])
        return torch.stack(x)


def test_shared_weights_equal_copied_weights_in_a_per_node_implementation():
    architecture = MiLoDoArchitecture(parametrization="paper", symmetrize="mean", hidden_features=5, warmup=100)
    network = network_of("erdos_renyi", 5)
    problem = least_squares(5, L1(0.05))
    algorithm = random_optimizer(architecture)
    with torch.no_grad():
        expected = DensePaperOptimizer(algorithm.source, network).run(problem, 0.05, 10)
    assert expected.abs().max() > 0.01
    torch.testing.assert_close(after(algorithm, problem, network, 10).x, expected)


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


@pytest.mark.parametrize("scale", ["variables", "losses"])
def test_the_scale_free_optimizer_is_scale_free(scale):
    network = network_of("grid")
    problem = least_squares(network.num_nodes, L1(0.05))
    a, b = problem.features, problem.targets
    if scale == "variables":  # x becomes 10 x
        other, factor = LeastSquares.from_nodes(list(a), list(10 * b), L1(0.5)), 10
    else:  # F becomes 49 F
        other, factor = LeastSquares.from_nodes(list(7 * a), list(7 * b), L1(0.05 * 49)), 1
    algorithm = random_optimizer(ARCHITECTURES[0])
    expected = factor * after(algorithm, problem, network, 15).x
    torch.testing.assert_close(after(algorithm, other, network, 15).x, expected)


# The schedule and the state


def test_the_recompute_schedule():
    assert [k for k in range(12) if RecomputeSchedule(warmup=3, every=4).due(k)] == [0, 1, 2, 3, 7, 11]
    assert [k for k in range(12) if RecomputeSchedule(warmup=2, every=0).due(k)] == [0, 1]


@pytest.mark.parametrize("length", [2, 3, 5])
def test_a_schedule_of_step_sizes_is_chebyshevs_polynomial(length):
    factors, smallest = chebyshev_step_factors(length), 0.1
    curvatures = np.linspace(0, 2, 201)  # times c
    left = np.prod([1 - factor * curvatures for factor in factors], axis=0)
    polynomial = np.polynomial.Chebyshev.basis(length, domain=[2 * smallest, 2])
    np.testing.assert_allclose(left, polynomial(curvatures) / polynomial(0.0), atol=1e-12)
    assert chebyshev_step_factors(1) == (1.0,)


def test_frozen_step_sizes_follow_the_schedule_and_dual_step_sizes_allow_for_the_largest():
    network, factors = network_of("ring"), (0.5, 2.0, 1.0)
    problem = least_squares(network.num_nodes, L1(0.05))
    frozen = MiLoDo(ConstantCoefficients(0.2, 0.1, 0.9), RecomputeSchedule(warmup=1), step_factors=factors)
    state = frozen.init(problem, network, torch.zeros(8, 4))
    x, y = torch.zeros(8, 4), torch.zeros(8, 4)
    for k in range(8):
        state = frozen.step(problem, network, state)
        step = 0.2 * state.bounds.max_step_size * (1.0 if k == 0 else factors[k % 3])
        z = problem.prox(x - step * (problem.gradient(x) + y), step)
        x, y = z.clone(), y.clone()
        for link, (i, j) in enumerate(network.link_index.t().tolist()):
            for end, other in ((i, j), (j, i)):
                x[end] -= state.coefficients.mixing_weight[link] * (z[end] - z[other])
                y[end] += state.coefficients.dual_step_size[link] * (z[end] - z[other])
        torch.testing.assert_close(state.x, x)
    alike = replace(state.bounds, max_step_factor=1.0)
    coefficients = state.coefficients
    (step_size,) = NetworkExchange(network).neighbours(numbers=coefficients.preconditioner)
    torch.testing.assert_close(
        2 * max_dual_step_size(state.bounds, step_size, coefficients.mixing_weight),
        max_dual_step_size(alike, step_size, coefficients.mixing_weight),
    )
    torch.testing.assert_close(2 * min_dual_step_size(state.bounds, step_size), min_dual_step_size(alike, step_size))


def test_frozen_coefficients_and_memory_stay_and_recomputed_ones_do_not():
    network = network_of("ring")
    problem = least_squares(network.num_nodes, L1(0.05))
    algorithm = random_optimizer(ARCHITECTURES[0])
    x0 = torch.zeros(problem.num_nodes, problem.dim)
    states = [s for _, s in zip(range(12), run(algorithm, problem, network, x0), strict=False)]
    assert not torch.equal(states[7].coefficients.preconditioner, states[8].coefficients.preconditioner)
    assert states[8].coefficients.preconditioner is states[10].coefficients.preconditioner
    # The tenth iteration checks whether they are too large.
    assert (states[11].coefficients.preconditioner <= states[10].coefficients.preconditioner).all()
    assert states[8].coefficients.dual_step_size is states[11].coefficients.dual_step_size
    assert states[8].memory is states[11].memory


def test_a_step_changes_no_state_it_was_given():
    network = network_of("ring")
    problem = least_squares(network.num_nodes, L1(0.05))
    algorithm = random_optimizer(ARCHITECTURES[1])
    state = after(algorithm, problem, network, 2)
    copied = copy.deepcopy(state)
    with torch.no_grad():
        first, second = (algorithm.step(problem, network, state) for _ in range(2))
    torch.testing.assert_close(vars(state)["x"], copied.x, rtol=0, atol=0)
    torch.testing.assert_close(state.memory.node.lstm, copied.memory.node.lstm, rtol=0, atol=0)
    torch.testing.assert_close(first.x, second.x, rtol=0, atol=0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_gradient_of_an_unrolled_run_is_right(architecture):
    network = network_of("ring", 3)
    problem = least_squares(3, L1(0.01), dim=2)
    algorithm = random_optimizer(architecture)
    weight = next(p for n, p in algorithm.source.named_parameters() if n.endswith("node.lstm.inner.weight"))
    # From the second step on the scale-free steps follow the secant curvature, which is measured, not differentiated.
    steps = 3 if architecture.parametrization == "paper" else 1

    def final(value: Tensor) -> Tensor:
        changed = {"node.lstm.inner.weight": value}
        with nn.utils.stateless._reparametrize_module(algorithm.source, changed):
            state = algorithm.init(problem, network, torch.ones(3, 2))
            for _ in range(steps):
                state = algorithm.step(problem, network, state)
            return state.x

    assert torch.autograd.gradcheck(final, weight.detach().clone().requires_grad_())


def test_networks_without_logarithms_see_values_in_the_units_of_nodes():
    value, unit = torch.tensor([[-3.0, 0.0, 6.0]]), torch.tensor([[2.0]])
    for log_features, expected in ((True, signed_log(value, unit)), (False, torch.tensor([[-1.5, 0.0, 3.0]]))):
        preconditioner = Preconditioner(accelerated=True, log_features=log_features)
        for part in (preconditioner.node, preconditioner.edge):
            torch.testing.assert_close(part.scaled(value, unit), expected)


def test_steps_next_to_very_different_nodes_are_shorter():
    path, ring = Network.from_networkx(nx.path_graph(3)), Network.from_networkx(nx.cycle_graph(3))
    problem = least_squares(3, Zero())
    for network in (path, ring):
        known = (
            MiLoDoArchitecture(accelerated=True)
            .algorithm(Preconditioner(accelerated=True))
            .init(problem, network, torch.zeros(3, 4))
        )
        facts, bounds = known.facts, known.bounds
        q = min(1.0, 0.9 * (1 + 1 / (1 + 2 * 0.97)) / (1 - float(network.min_eigenvalue)))
        own_weight = [1 - q * (1 - float(w)) for w in network.self_weight]
        expected = [
            min(
                min(own_weight[i], own_weight[j]) / max(own_weight[i], own_weight[j])
                for j in range(3)
                if network.matrix()[i, j] > 0 and i != j
            )
            for i in range(3)
        ]
        torch.testing.assert_close(facts.self_weight_ratio.flatten(), torch.tensor(expected))
        much, nothing = torch.full((3, 1), 50.0), torch.zeros(3, 1)
        limits = limits_with_momentum(facts, bounds, NetworkExchange(network))
        own = (0.9 + 0.3 * facts.self_weight_ratio**2) * bounds.max_step_size
        torch.testing.assert_close(bounded_step_size(much, much, limits, nothing, bounds), own)
        common = own.min().expand(3, 1)
        torch.testing.assert_close(bounded_step_size(much, -much, limits, nothing, bounds), common)
        torch.testing.assert_close(bounded_step_size(much, nothing, limits, nothing, bounds), (own * common).sqrt())
    assert (facts.self_weight_ratio == 1).all()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_graphs_side_by_side_do_not_disturb_each_other(architecture):
    networks = [network_of(topology) for topology in ("star", "ring")]
    problems = [least_squares(8, L1(0.05)) for _ in networks]
    algorithm = random_optimizer(architecture)
    together = after(algorithm, LeastSquares.concatenate(problems), Network.concatenate(networks), 12)
    alone = [after(algorithm, *pair, 12).x for pair in zip(problems, networks, strict=True)]
    torch.testing.assert_close(together.x, torch.cat(alone))


def test_the_relative_shrinkage_is_the_share_of_the_first_step_that_the_prox_undoes():
    network, x0 = network_of("ring"), torch.randn(8, 4)
    algorithm = random_optimizer(ARCHITECTURES[-1])
    for weight in (0.0, 0.1, 100.0):
        problem = least_squares(8, L1(weight))
        known = algorithm.init(problem, network, x0)
        for i in range(8):
            a, b = problem.features[i], problem.targets[i]
            move = known.bounds.max_step_size[i] * (a.T @ (a @ x0[i] - b) / 3)
            v = x0[i] - move
            shrunk = v - v.sign() * (v.abs() - known.bounds.max_step_size[i] * weight).clamp(min=0)
            expected = min(1.0, float(shrunk.abs().sum() / move.abs().sum()))
            assert float(known.facts.prox_shrinkage[i]) == pytest.approx(expected)


# The layer


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_layer_does_what_the_algorithm_does(architecture):
    network = network_of("erdos_renyi", 9)
    problem = least_squares(9, L1(0.05))
    algorithm = random_optimizer(architecture)
    conv = MiLoDoConv(algorithm.source)
    x0 = torch.randn(9, 4)
    shuffled = network.edge_index[:, torch.randperm(network.num_edges)]
    state = conv.init(
        x0,
        shuffled,
        problem.gradient(x0),
        smoothness=problem.smoothness(),
        mean_curvature=problem.mean_curvature(),
        prox=problem.prox,
        spectral_gap=network.spectral_gap,
        min_eigenvalue=network.min_eigenvalue,
    )
    with torch.no_grad():
        for k in range(12):
            state = conv(state, shuffled, problem.gradient(state.extrapolated), problem.prox, recompute=k < 8)
    torch.testing.assert_close(state.x, after(algorithm, problem, network, 12, x0).x)


@torch.no_grad()
def test_the_layer_takes_any_source_of_coefficients():
    network, x0 = network_of("star"), torch.randn(8, 4)
    problem = least_squares(8, Zero())
    source = ConstantCoefficients(0.4, 0.3, 0.9)
    conv = MiLoDoConv(source)
    state = conv.init(
        x0,
        network.edge_index,
        problem.gradient(x0),
        smoothness=problem.smoothness(),
        min_eigenvalue=float(network.min_eigenvalue),
    )
    for _ in range(12):
        state = conv(state, network.edge_index, problem.gradient(state.extrapolated))
    torch.testing.assert_close(state.x, after(MiLoDo(source), problem, network, 12, x0).x)
    assert "ConstantCoefficients(step_factor=0.4" in repr(conv)


def test_the_layer_refuses_graphs_it_cannot_serve():
    conv = MiLoDoConv()
    x = torch.zeros(3, 2)
    with pytest.raises(ValueError, match="edge 0->1 but not 1->0; expected both directions"):
        conv.init(x, torch.tensor([[0], [1]]), x)
    with pytest.raises(ValueError, match="self-loops"):
        conv.init(x, torch.tensor([[0, 1, 2], [1, 0, 2]]), x)


@pytest.mark.parametrize("accelerated", [True, False])
@pytest.mark.parametrize("spectral_gap", [True, False])
def test_the_layer_runs_graphs_of_a_batch_as_if_each_were_alone(accelerated, spectral_gap):
    conv = MiLoDoConv(Preconditioner(4, spectral_gap=spectral_gap, accelerated=accelerated)).double()
    conv.preconditioner.reset_parameters()
    graphs = [nx.star_graph(4), nx.path_graph(3)]
    edges = [from_networkx(g).edge_index for g in graphs]
    own = [torch.randn(g.number_of_nodes(), 2) for g in graphs]

    def after_ten(edge_index: torch.Tensor, own: torch.Tensor, batch: torch.Tensor | None = None) -> torch.Tensor:
        state = conv.init(own, edge_index, torch.zeros_like(own), batch=batch)
        for _ in range(10):
            state = conv(state, edge_index, state.extrapolated - own)
        return state.x

    joined = torch.cat([edges[0], edges[1] + 5], dim=1)
    batch = torch.tensor([0] * 5 + [1] * 3)
    torch.testing.assert_close(
        after_ten(joined, torch.cat(own), batch), torch.cat([after_ten(*pair) for pair in zip(edges, own, strict=True)])
    )
    with pytest.raises(ValueError, match="joins nodes of different graphs"):
        conv.init(torch.cat(own), joined, torch.cat(own), batch=batch.flip(0))


def test_the_layer_is_reproducible_and_prints_itself():
    conv = MiLoDoConv()
    first = [p.clone() for p in conv.parameters()]
    conv.reset_parameters()
    assert any(not torch.equal(a, b) for a, b in zip(first, conv.parameters(), strict=True))
    expected = "MiLoDoConv(hidden_features=5, parametrization='scale_free', symmetrize='even', spectral_gap=True, "
    assert repr(MiLoDoConv(Preconditioner(5))).startswith(expected)
