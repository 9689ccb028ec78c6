"""Methods that push over directed networks, against dense loops written from the papers and certified optima."""

from itertools import islice

import numpy as np
import pytest

from gnn_l2o.algorithms.driver import Driver, run
from gnn_l2o.graph import build_network
from gnn_l2o.handcrafted import HANDCRAFTED
from gnn_l2o.problems import LeastSquares, solve
from gnn_l2o.problems.regularizers import L1, Regularizer, Zero
from gnn_l2o.testing.runs import initial_points, small_problem
from tests.graph.digraphs import BY_NAME, PUSHING, column_stochastic, network_of


def push_diging(c: np.ndarray, problem: LeastSquares, a: float, x: np.ndarray, count: int) -> list[np.ndarray]:
    """Algorithm 2 of Nedic, Olshevsky, Shi 2017."""
    found, u, v, y = [x], x, np.ones(len(c)), gradient(problem, x)
    for _ in range(count):
        u, v = c @ (u - a * y), c @ v
        after = np.linalg.inv(np.diag(v)) @ u
        y = c @ y + gradient(problem, after) - gradient(problem, x)
        x = after
        found.append(x)
    return found


def sonata(c: np.ndarray, problem: LeastSquares, a: float, x: np.ndarray, count: int) -> list[np.ndarray]:
    """Algorithm 3 of Sun, Daneshmand, Scutari 2022, node by node, with linearized losses and step 1 in (73b)."""
    weight = problem.regularizer.weight if isinstance(problem.regularizer, L1) else 0.0
    nodes, found, y, phi = range(len(c)), [x], gradient(problem, x), np.ones(len(c))
    for _ in range(count):
        half = [np.sign(v) * np.maximum(np.abs(v) - a * weight, 0) for v in x - a * y]
        after_phi = np.array([sum(c[i, j] * phi[j] for j in nodes) for i in nodes])
        after = np.stack([sum(c[i, j] * phi[j] * half[j] for j in nodes) / after_phi[i] for i in nodes])
        change = gradient(problem, after) - gradient(problem, x)
        y = np.stack([sum(c[i, j] * (phi[j] * y[j] + change[j]) for j in nodes) / after_phi[i] for i in nodes])
        x, phi = after, after_phi
        found.append(x)
    return found


def gradient(problem: LeastSquares, x: np.ndarray) -> np.ndarray:
    a, b = problem.features.numpy(), problem.targets.numpy()
    return np.stack([a_i.T @ (a_i @ x_i - b_i) / len(b_i) for a_i, b_i, x_i in zip(a, b, x, strict=True)])


ORACLES = {"push_diging": push_diging, "sonata": sonata}


def regularizer(method: str) -> Regularizer:
    return L1(0.2) if HANDCRAFTED[method].composite else Zero()


def test_every_pushing_method_has_an_oracle() -> None:
    assert PUSHING == sorted(ORACLES)


@BY_NAME
@pytest.mark.parametrize("method", PUSHING)
def test_iterates_are_those_of_a_dense_loop(method: str, name: str) -> None:
    c = column_stochastic(name)
    problem = small_problem(len(c), regularizer(method))
    a, x0 = 0.3 / float(problem.smoothness().max()), initial_points(problem)
    states = run(HANDCRAFTED[method](step_size=a), problem, network_of(name), x0)
    expected = ORACLES[method](c, problem, a, x0.numpy(), 20)
    for state, wanted in zip(islice(states, 21), expected, strict=True):
        np.testing.assert_allclose(state.x, wanted, atol=1e-11)


STEPS = {"ring": 0.2, "random": 0.5, "funnel": 0.2, "path": 0.5, "star": 0.5}  # in units of 1/L


@BY_NAME
@pytest.mark.parametrize("method", PUSHING)
def test_all_nodes_reach_the_certified_optimum(method: str, name: str) -> None:
    network = network_of(name)
    problem = small_problem(network.num_nodes, regularizer(method))
    algorithm = HANDCRAFTED[method].from_setting(problem, {"step_size": STEPS[name]})
    driver = Driver(algorithm, problem, network, initial_points(problem))
    driver.advance(1000)
    assert float((driver.x - solve(problem).x).abs().max()) < 1e-8
    assert driver.cost.rounds == driver.cost.vectors == 2 * driver.cost.numbers == 2000


EDGES = {"push_diging": 1, "sonata": 2}  # that information travels an iteration: SONATA pushes y after x


@pytest.mark.parametrize("method", PUSHING)
def test_information_travels_along_edges_only(method: str) -> None:
    """In a directed ring it takes a round to the next node, and N - 1 to the one before."""
    nodes, speed = 9, EDGES[method]
    problem = small_problem(nodes, regularizer(method))
    targets = problem.targets.clone()
    targets[2] += 1.0
    changed = LeastSquares.from_nodes(list(problem.features), list(targets), problem.regularizer)
    algorithm, x0 = HANDCRAFTED[method](step_size=0.01), initial_points(problem)
    runs = [run(algorithm, p, build_network("directed_ring", nodes), x0) for p in (problem, changed)]
    next(zip(*runs, strict=True))
    for k, (one, other) in enumerate(islice(zip(*runs, strict=True), 4)):
        heard = [(2 + distance) % nodes for distance in range(speed * k + 2)]
        assert (one.x != other.x).any(dim=1).nonzero().flatten().tolist() == sorted(heard)
