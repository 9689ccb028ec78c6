"""The safeguard: ordinary runs stay as they are, and no run grows for ever, whatever emits its coefficients."""

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor

from gnn_l2o import plugins
from gnn_l2o.algorithms.driver import Driver, run
from gnn_l2o.evaluation.record import Case
from gnn_l2o.evaluation.seeds import draws
from gnn_l2o.graph.build import build_network
from gnn_l2o.graph.exchange import NetworkExchange
from gnn_l2o.graph.network import Network
from gnn_l2o.learned import ConstantCoefficients, LearnedScalars, MiLoDo, RecomputeSchedule, load_model
from gnn_l2o.learned.matrix_milodo import MatrixMiLoDoArchitecture
from gnn_l2o.learned.network_facts import network_facts
from gnn_l2o.nn.coefficient_source import CoefficientSource
from gnn_l2o.nn.coefficients import Coefficients
from gnn_l2o.nn.preconditioner import Preconditioner
from gnn_l2o.nn.safeguard import FACTOR, Safeguard, fall_back
from gnn_l2o.nn.stability import max_mixing_weight, stability_bounds
from gnn_l2o.nn.state import MiLoDoState
from gnn_l2o.problems import LeastSquares, Problem, Stochastic, solve
from gnn_l2o.problems.regularizers import L1, Regularizer, Zero


@pytest.fixture(autouse=True)
def without_derivatives():
    with torch.no_grad():
        yield


def least_squares(nodes: int, samples: int, dim: int, seed: int = 0, regularizer: Regularizer | None = None):
    random = np.random.default_rng(seed)
    a = random.standard_normal((nodes, samples, dim))
    b = a @ random.standard_normal(dim) + 0.1 * random.standard_normal((nodes, samples))
    return LeastSquares.from_nodes(list(a), list(b), regularizer or Zero())


def after(algorithm: MiLoDo, problem: Problem, network: Network, steps: int) -> MiLoDoState:
    for k, state in enumerate(run(algorithm, problem, network, torch.zeros(problem.num_nodes, problem.dim))):
        if k == steps:
            return state
    raise AssertionError


def optimality_gap(problem: Problem, x: Tensor) -> float:
    """Return the largest of (F(x) - F*) / (F(0) - F*) over the problems."""
    best = solve(problem).value
    first = problem.objective(torch.zeros(problem.num_problems, problem.dim))
    return float(((problem.objective(problem.average(x)) - best) / (first - best)).nan_to_num(torch.inf).max())


def model(name: str = "milodo_gnn") -> MiLoDo:
    return load_model(name).to(dtype=torch.float64)


# Self-weights


@pytest.mark.parametrize("nodes", [4, 10, 30])
def test_no_run_on_a_star_with_fastest_mixing_diverges(nodes: int) -> None:
    network = build_network("star", nodes, mixing="fastest").to(dtype=torch.float64)
    problem = least_squares(nodes, 5, 60, regularizer=L1(0.1))
    state = after(model(), problem, network, 600)
    assert not state.safeguard.any_fallen  # the bound on the step size is enough
    assert optimality_gap(problem, state.x) < 1e-2


@pytest.mark.parametrize("topology", ["star", "ring", "path", "hypercube", "erdos_renyi", "complete"])
def test_metropolis_weights_are_above_the_smallest_self_weight(topology: str) -> None:
    network = build_network(topology, 16).to(dtype=torch.float64)
    problem = least_squares(16, 2, 3)
    facts = network_facts(problem, network, torch.zeros(16, 3))
    share = max_mixing_weight(facts.min_eigenvalue, 0.97)
    bounds = stability_bounds(facts, NetworkExchange(network), momentum=0.97)
    torch.testing.assert_close(bounds.effective_self_weight, 1 - share * (1 - facts.self_weight))


# Which runs change


@pytest.mark.parametrize("name", ["milodo_gnn", "milodo_paper", "learned_scalars_momentum"])
def test_ordinary_runs_stay_as_they_are(name: str) -> None:
    network = Network.from_networkx(nx.erdos_renyi_graph(10, 0.4, seed=2))
    problem = least_squares(10, 10, 100, regularizer=L1(0.1))
    watched = after(model(name), problem, network, 500)
    ratio = (watched.safeguard.excess / watched.safeguard.reference).max()
    assert ratio < 0.1 * FACTOR
    assert torch.equal(watched.x, after(replace(model(name), safeguarded=False), problem, network, 500).x)


# Seeds of instances on which the shipped optimizer diverges without the safeguard.
DIVERGING = [("star", 3, 71), ("star", 3, 171), ("path", 3, 193)]


@pytest.mark.parametrize(("topology", "nodes", "number"), DIVERGING)
def test_small_problems_on_which_runs_diverged_converge(topology: str, nodes: int, number: int) -> None:
    spec = "linear:features=3,samples=1"
    network = build_network(topology, nodes).to(dtype=torch.float64)
    seed = next(draws("evaluation", 0, Case(spec, topology, nodes), number))
    problem = plugins.load("dataset", spec)(network, seed=seed).to(dtype=torch.float64)
    driver = Driver(model(), problem, network, torch.zeros(nodes, 3))
    driver.advance(4000)
    assert driver.state.safeguard.any_fallen
    assert optimality_gap(problem, driver.state.x) < 1e-8
    assert driver.cost == driver.algorithm.total_cost(4000, problem.shapes)  # falling back costs no communication
    assert float(driver.state.y.sum(0).abs().max()) < 1e-10
    unwatched = after(replace(model(), safeguarded=False), problem, network, 4000)
    assert optimality_gap(problem, unwatched.x) > 1e-2


@pytest.mark.parametrize(("topology", "seed"), [("ring", 0), ("ring", 2), ("path", 1), ("star", 3), ("star", 4)])
def test_no_run_with_drawn_weights_diverges(topology: str, seed: int) -> None:
    network = build_network(topology, 6).to(dtype=torch.float64)
    together = LeastSquares.concatenate([least_squares(6, 1 + k % 3, 3, seed=k) for k in range(12)])
    networks = Network.concatenate([network] * 12)
    torch.manual_seed(seed)
    weights = Preconditioner(8, accelerated=True, edge_weights="edge")
    weights.reset_parameters()
    for parameter in weights.parameters():
        parameter.mul_(4)  # outputs reach both ends of their ranges
    algorithm = MiLoDo(weights, RecomputeSchedule(12))
    early, late = (optimality_gap(together, after(algorithm, together, networks, k).x) for k in (300, 1200))
    assert late < 3 * max(early, 1)
    if (topology, seed) == ("star", 4):
        unwatched = after(replace(algorithm, safeguarded=False), together, networks, 1200)
        assert optimality_gap(together, unwatched.x) > 1e6


class Hostile(CoefficientSource):
    """Coefficients far beyond all bounds, constant from the first step on."""

    def __init__(self, size: float, seed: int = 0) -> None:
        self.size, self.generator = size, torch.Generator().manual_seed(seed)

    def _draw(self, like: Tensor) -> Tensor:
        return self.size * 10 ** torch.rand(like.shape, generator=self.generator)

    def preconditioner(self, state, gradient, exchange):
        return self._draw(state.x) / state.facts.smoothness, None

    def edge_weights(self, state, z, message, memory, exchange):
        return self._draw(z.own) * state.facts.smoothness.mean(), 0.1 * self._draw(z.own), None

    def momentum(self, bounds, coefficients, memory, exchange):
        return torch.full_like(coefficients.preconditioner, 0.99)


@pytest.mark.parametrize("regularizer", [Zero(), L1(0.05)])
def test_a_run_beyond_all_bounds_converges(regularizer: Regularizer) -> None:
    network = Network.from_networkx(nx.path_graph(4))
    problem = least_squares(4, 6, 3, regularizer=regularizer)
    algorithm = MiLoDo(ConstantCoefficients(2.0, 0.9, 1.0, 0.97, momentum_bound=0.97), RecomputeSchedule(1))
    state = after(algorithm, problem, network, 3000)
    assert state.safeguard.any_fallen
    assert optimality_gap(problem, state.x) < 1e-8
    assert float((state.x - state.x.mean(0)).norm()) < 1e-4
    unwatched = after(replace(algorithm, safeguarded=False), problem, network, 300)
    assert not float(unwatched.x.norm()) < 1e6


# The proof


@pytest.mark.parametrize("regularizer", [Zero(), L1(0.1)])
@pytest.mark.parametrize("seed", range(2))
def test_the_distance_from_a_solution_never_grows_once_all_nodes_have_fallen_back(regularizer, seed: int) -> None:
    """V of docs/theory.md, with step sizes of coordinates, dual step sizes of edges and an L1 norm."""
    network = Network.from_networkx(nx.erdos_renyi_graph(6, 0.6, seed=1))
    problem, exchange = least_squares(6, 4, 3, seed, regularizer), NetworkExchange(network)
    torch.manual_seed(seed)
    x, y = torch.randn(6, 3), torch.randn(6, 3)
    y = y - y.mean(0)
    first = after(MiLoDo(Hostile(1.0, seed), RecomputeSchedule(1)), problem, network, 1)
    everywhere = replace(first.safeguard, fallen=torch.ones(6, 1, dtype=torch.bool), any_fallen=True)
    smoothness = problem.smoothness()
    coefficients = fall_back(everywhere, first.coefficients, smoothness, exchange)
    assert not coefficients.momentum.any()
    state = replace(first, x=x, extrapolated=x, y=y, safeguard=everywhere, coefficients=coefficients)
    algorithm = MiLoDo(Hostile(1.0), RecomputeSchedule(1))
    states = [state]
    for _ in range(4000):
        state = algorithm.step(problem, network, state)
        states.append(state)
    limit = states[-1]
    i, j = network.link_index
    distances = []
    for s in states[:50]:
        total = 0.0
        for c in range(3):
            laplacian = torch.zeros(6, 6)
            weight = coefficients.dual_step_size[:, c]
            laplacian[i, j] = laplacian[j, i] = -weight
            laplacian = laplacian - torch.diag(laplacian.sum(1))
            dx, dy = (s.x - limit.x)[:, c], (s.y - limit.y)[:, c]
            total += float((dx.square() / coefficients.preconditioner[:, c]).sum())
            total += float(dy @ torch.linalg.pinv(laplacian) @ dy)
        distances.append(total)
    assert distances[-1] < 0.9 * distances[0]
    assert (np.diff(distances) <= 1e-7 * distances[0]).all()


def test_a_fallback_mixes_by_its_own_share_of_the_disagreement() -> None:
    network = Network.from_networkx(nx.star_graph(4))
    problem, exchange = least_squares(5, 2, 3), NetworkExchange(network)
    given = Coefficients(torch.full((5, 3), 7.0), torch.full((4, 1), 2.0), torch.full((4, 1), 0.3), torch.ones(5, 3))
    fallen = torch.tensor([True, True, False, False, False]).unsqueeze(1)
    safeguard = replace(Safeguard.first(torch.ones(5, 1)), fallen=fallen, any_fallen=True)
    found = fall_back(safeguard, given, torch.full((5, 1), 0.1), exchange)
    torch.testing.assert_close(found.preconditioner[:, 0], torch.tensor([0.45 / 8, 0.45 / 2, 7, 7, 7]))
    torch.testing.assert_close(found.momentum[:, 0], torch.tensor([0.0, 0.0, 1, 1, 1]))
    state = replace(after(MiLoDo(ConstantCoefficients(0.1, 0.1, 0.9)), problem, network, 1), safeguard=safeguard)
    state = replace(state, coefficients=found)
    moved = MiLoDo(ConstantCoefficients(0.1, 0.1, 0.9), RecomputeSchedule(1)).step(problem, network, state)
    p = found.preconditioner
    torch.testing.assert_close(moved.x[:2], (moved.z - p * (moved.y - state.y))[:2])
    torch.testing.assert_close(moved.x[2:], moved.z[2:] - 0.3 * (moved.z[2:] - moved.z[0]))


# What the safeguard does not watch


def test_a_change_that_is_not_a_number_exceeds_the_bound() -> None:
    safeguard = Safeguard.first(torch.ones(2, 1))
    moves = torch.tensor([[1.0], [1.0]])
    safeguard = safeguard.observe(moves, moves, torch.ones(2, 1), 0)
    safeguard = safeguard.observe(torch.tensor([[torch.nan], [1.0]]), moves, torch.ones(2, 1), 30).checked()
    assert safeguard.fallen.flatten().tolist() == [True, False]


def test_stochastic_gradients_training_and_matrices_are_not_watched() -> None:
    network = Network.from_networkx(nx.cycle_graph(4))
    problem, x0 = least_squares(4, 6, 3), torch.zeros(4, 3)
    algorithm = MiLoDo(LearnedScalars())
    assert algorithm.init(problem, network, x0).safeguard is not None
    assert algorithm.init(Stochastic(problem, batch_size=2, seed=0), network, x0).safeguard is None
    with torch.enable_grad():
        assert algorithm.init(problem, network, x0).safeguard is None
    architecture = MatrixMiLoDoArchitecture()
    assert architecture.algorithm(architecture.build()).init(problem, network, x0).safeguard is None
