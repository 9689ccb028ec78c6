"""Minimizing a function of one's own: against closed forms and certified optima, and what a result says."""

import re
from typing import Any

import networkx as nx
import numpy as np
import pytest
import scipy.sparse
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

import gnn_l2o
from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import Cost
from gnn_l2o.algorithms.standing import Standing
from gnn_l2o.algorithms.stopping import Below, MaxRounds, MaxSeconds, Stationary
from gnn_l2o.handcrafted import ProxED
from gnn_l2o.problems import L1, Box, LeastSquares
from gnn_l2o.testing import check_stopping_rule

RANDOM = np.random.default_rng(0)
FEATURES = [RANDOM.standard_normal((m, 3)) for m in (4, 6, 4, 9)]
TARGETS = [RANDOM.standard_normal(len(a)) for a in FEATURES]
DATA = list(zip(FEATURES, TARGETS, strict=True))
RING = nx.cycle_graph(4)
MIXING = gnn_l2o.Network.from_networkx(RING).matrix()


def squares(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return 0.5 * (a @ x - b).square().mean()


def closed_form() -> np.ndarray:
    hessian = sum(a.T @ a / len(a) for a in FEATURES)
    return np.linalg.solve(hessian, sum(a.T @ b / len(a) for a, b in DATA))


@pytest.mark.parametrize("optimizer", ["milodo_local", "milodo_gnn", "prox_ed", "pg_extra:step_size=0.2", "admm"])
def test_least_squares_have_their_closed_form(optimizer: str) -> None:
    result = gnn_l2o.minimize(squares, DATA, "ring", optimizer=optimizer, stop=Stationary(1e-8) | MaxRounds(5000))
    assert result.success, result.message
    np.testing.assert_allclose(result.x, closed_form(), atol=1e-7)
    np.testing.assert_allclose(result.nodes, np.tile(closed_form(), (4, 1)), atol=1e-7)


@pytest.mark.parametrize(
    "network",
    [
        "ring",
        RING,
        gnn_l2o.Network.from_networkx(RING),
        nx.to_numpy_array(RING),
        nx.to_numpy_array(RING, dtype=bool),
        nx.to_scipy_sparse_array(RING),
        torch.tensor(nx.to_numpy_array(RING)),
        MIXING,
        scipy.sparse.csr_array(MIXING.numpy()),
    ],
    ids=lambda network: type(network).__name__,
)
def test_networks_may_have_any_usual_form(network: Any) -> None:
    result = gnn_l2o.minimize(squares, DATA, network, optimizer="prox_ed:step_size=0.3", stop=MaxRounds(3))
    expected = gnn_l2o.minimize(squares, DATA, "ring", optimizer="ed:step_size=0.3", stop=MaxRounds(3))
    torch.testing.assert_close(result.nodes, expected.nodes)


def test_a_mixing_matrix_is_used_as_it_is() -> None:
    weights = np.array([[0.5, 0.2, 0.0, 0.3], [0.2, 0.5, 0.3, 0.0], [0.0, 0.3, 0.6, 0.1], [0.3, 0.0, 0.1, 0.6]])
    own = gnn_l2o.Network.from_mixing_matrix(weights)
    torch.testing.assert_close(own.matrix(), torch.from_numpy(weights))
    assert own.spectral_gap.item() == pytest.approx(1 - np.sort(np.abs(np.linalg.eigvalsh(weights)))[-2])
    result = gnn_l2o.minimize(squares, DATA, weights, optimizer=ProxED(0.3), stop=MaxRounds(3))
    x = z = psi = np.zeros((4, 3))
    for _ in range(3):  # proximal exact diffusion, written out
        gradient = np.stack([a.T @ (a @ v - b) / len(a) for v, (a, b) in zip(x, DATA, strict=True)])
        before, psi = psi, x - 0.3 * gradient
        x = z = 0.5 * (np.eye(4) + weights) @ (z + psi - before)
    np.testing.assert_allclose(result.nodes, x)


def test_a_regularizer_and_a_certificate() -> None:
    result = gnn_l2o.minimize(
        squares, DATA, RING, regularizer=L1(0.1), optimizer="milodo_gnn", certify=True, stop=Stationary(1e-8)
    )
    problem = LeastSquares.from_nodes(FEATURES, TARGETS, L1(0.1))
    solution = gnn_l2o.problems.solve(problem)
    assert abs(result.optimality_gap) < 1e-6 < result.trace["optimality_gap"][0] == 1
    assert result.fun == pytest.approx(float(solution.value))
    np.testing.assert_allclose(result.x, solution.x[0], atol=1e-6)
    known = gnn_l2o.minimize_problem(
        problem, RING, optimum=float(solution.value), stop=Below("optimality_gap", 1e-3) | MaxRounds(1000)
    )
    assert known.success and 0 < known.optimality_gap <= 1e-3 < known.trace["optimality_gap"][-2]
    assert known.x.shape == (3,) and known.nodes.shape == (4, 3)


def test_residual_and_consensus_error_are_those_of_the_docstring() -> None:
    box = Box(-0.1, 0.1)
    result = gnn_l2o.minimize(
        squares, DATA, RING, regularizer=box, optimizer="prox_ed:step_size=0.2", stop=MaxRounds(2)
    )
    mean = result.nodes.numpy().mean(axis=0)
    np.testing.assert_allclose(result.x, mean)

    def gradients(x: np.ndarray) -> np.ndarray:
        return np.stack([a.T @ (a @ x - b) / len(a) for a, b in DATA])

    smoothness = np.mean([np.linalg.norm(a, 2) ** 2 / len(a) for a in FEATURES])
    slope = np.linalg.norm(gradients(np.zeros(3)), axis=1).mean()
    moved = np.clip(mean - gradients(mean).mean(axis=0) / smoothness, -0.1, 0.1)
    assert result.residual == pytest.approx(smoothness * np.linalg.norm(mean - moved) / slope)
    deviation = np.linalg.norm(result.nodes.numpy() - mean)
    scale = max(np.linalg.norm(mean), slope / smoothness)
    assert result.consensus_error == pytest.approx(deviation / (2 * scale)) and result.consensus_error > 1e-3
    assert result.fun == pytest.approx(np.mean([0.5 * np.mean((a @ mean - b) ** 2) for a, b in DATA]))


def test_x_has_the_form_of_x0() -> None:
    classes = [np.arange(len(a)) % 3 for a in FEATURES]

    def f(x: dict[str, Tensor], a: Tensor, k: Tensor) -> Tensor:
        return cross_entropy(a @ x["w"] + x["c"], k) + 0.05 * x["w"].square().sum()

    data = zip(FEATURES, classes, strict=True)
    x0 = {"w": np.zeros((3, 3)), "c": np.zeros(3)}
    result = gnn_l2o.minimize(f, data, RING, x0=x0, optimizer="prox_ed", stop=Stationary(1e-5) | MaxRounds(3000))
    assert result.success and {name: tuple(v.shape) for name, v in result.nodes.items()} == {
        "w": (4, 3, 3),
        "c": (4, 3),
    }
    x = {name: v.clone().requires_grad_() for name, v in result.x.items()}
    total = sum(f(x, torch.tensor(a), torch.tensor(k)) for a, k in zip(FEATURES, classes, strict=True))
    assert all(slope.abs().max() < 1e-3 for slope in torch.autograd.grad(total, list(x.values())))
    matrix = gnn_l2o.minimize(lambda x, a: (x - a).square().sum(), [np.ones((2, 2))] * 4, RING, x0=np.zeros((2, 2)))
    torch.testing.assert_close(matrix.x, torch.ones(2, 2), rtol=0, atol=1e-5)


def test_where_losses_are_not_convex_a_stationary_point_is_found() -> None:
    def welsch(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return (1 - torch.exp(-0.5 * (a @ x - b).square())).mean()

    for optimizer in ("milodo_gnn", "prox_ed"):
        result = gnn_l2o.minimize(welsch, DATA, RING, optimizer=optimizer)
        assert result.success, result.message
        assert "a stationary point, which is a minimizer if the losses are convex" in result.message
        x = result.x.clone().requires_grad_()
        total = sum(welsch(x, torch.tensor(a), torch.tensor(b)) for a, b in DATA)
        assert torch.autograd.grad(total, x)[0].norm() < 1e-5


def test_what_was_sent_is_counted() -> None:
    result = gnn_l2o.minimize(squares, DATA, RING, optimizer=ProxED(0.1), stop=MaxRounds(7))
    assert (result.nit, result.rounds, result.vectors, result.numbers, result.gradients) == (7, 7, 7, 2, 7)
    assert result.bytes == 8 * (7 * 3 + 2) * 8  # directed edges, 7 vectors and 2 numbers (to know L), a double each
    assert result.optimizer.step_size == 0.1 and result.optimality_gap is None and result.seconds > 0
    assert result.trace["iteration"].tolist() == result.trace["rounds"].tolist() == list(range(8))
    assert result.trace["residual"][-1] == result.residual and len(result.trace["seconds"]) == 8
    assert result["fun"] == result.fun == result.trace["objective"][-1]


def test_a_method_without_parameters_says_its_defaults() -> None:
    result = gnn_l2o.minimize(squares, DATA, RING, optimizer="prox_ed", stop=MaxRounds(1))
    largest = max(np.linalg.norm(a, 2) ** 2 / len(a) for a in FEATURES)
    expected = (0.02 * 20) ** 0.5 / largest  # the middle of the range of step sizes
    assert result.optimizer.step_size == pytest.approx(expected)
    assert f"prox_ed was not tuned: step_size={expected:.3g}" in result.message
    given = gnn_l2o.minimize(squares, DATA, RING, optimizer="admm:penalty=0.5", stop=MaxRounds(1))
    assert given.optimizer.penalty == 0.5 and given.message.endswith("admm was not tuned: relaxation=0.8")


def test_a_run_that_diverges_ends_and_says_so() -> None:
    result = gnn_l2o.minimize(squares, DATA, RING, optimizer="prox_ed:step_size=50")
    assert not result.success and not result.converged and result.nit < 50
    assert result.message.startswith("diverged after ") and "stationary" not in result.message
    early = gnn_l2o.minimize(squares, DATA, RING, optimizer="prox_ed:step_size=0.01", stop=MaxRounds(5))
    assert not early.success and early.message.startswith("stopped before it converged, after 5 rounds")


def test_nothing_to_minimize_ends_at_once() -> None:
    result = gnn_l2o.minimize(squares, DATA, RING, regularizer=L1(100.0))
    assert result.success and result.nit == 0 and result.x.tolist() == [0, 0, 0]


@pytest.mark.parametrize("rule", [Stationary(1e-6), Stationary(1e-6) | MaxRounds(9), MaxSeconds(1) | MaxRounds(9)])
def test_stopping_rules_keep_the_contract(rule: Any) -> None:
    check_stopping_rule(rule, measures=("residual", "consensus_error"))


def test_a_joined_rule_holds_where_one_does_and_converges_by_tolerances_only() -> None:
    rule = Stationary(0.1) | MaxRounds(10)

    def at(rounds: int, residual: float, consensus: float) -> tuple[bool, bool]:
        measures = {"residual": torch.tensor([residual]), "consensus_error": torch.tensor([consensus])}
        standing = Standing(rounds, None, Cost(rounds=rounds), 0.0, measures)
        return rule.holds(standing), rule.converged(standing)

    assert at(1, 1.0, 0.0) == at(1, 0.0, 1.0) == (False, False)
    assert at(1, 0.1, 0.1) == (True, True)
    assert at(10, 1.0, 0.1) == (True, False)
    assert at(10, 0.1, 0.1) == (True, True)


def case(message: str, **arguments: Any) -> Any:
    return pytest.param(arguments, message, id=message[:40])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        case("f must be a function of x and the data of a node, got 3", f=3),
        case("f must return one number, such as a mean over the node's samples; got (4)", f=lambda x, a, b: a @ x - b),
        case("f must return a tensor with one number, got float", f=lambda x, a, b: 1.0),
        case("f(x, *data) cannot be evaluated at x0 (3) with the data of node 0, (4, 3) float64", f=lambda x, a: a @ x),
        case("TypeError: ", f=lambda x, a: a @ x),
        case("data-dependent control flow", f=lambda x, a, b: x.sum() if x[0] > 0 else -x.sum()),
        case("f is not finite at x0 with the data of node 0", f=lambda x, a, b: x.log().sum()),
        case("the gradient of f is not finite at x0", f=lambda x, a, b: x.abs().sqrt().sum()),
        case("the Hessian of f is not finite at x0", f=lambda x, a, b: x.norm()),
        case("cannot be evaluated at x0 (2) with the data of node 0", x0=[0.0, 0.0]),
        case("x0 must hold finite real numbers", x0=[0.0, 0.0, np.nan]),
        case("x0 has no coordinates", x0=[]),
        case("x0 is missing; it has a default only where", f=lambda x, a: (x - a) ** 2, data=[1.0] * 4),
        case("with the data of node 2, (4, 2) float64", data=[*DATA[:2], (FEATURES[0][:, :2], TARGETS[0]), DATA[3]]),
        case("whole numbers keep their type, .astype(float)", data=[(np.ones((2, 3), int), np.ones(2))] * 4),
        case("argument 2 of node 1 must hold finite real", data=[DATA[0], (FEATURES[0], TARGETS[0] * np.nan)]),
        case("argument 1 of node 0 must hold finite real numbers, got complex ones", data=[np.ones(2) * 1j] * 4),
        case("argument 1 of node 0 must be an array of numbers, got str 'a'", data=[("a", "b")] * 4),
        case("node 1 has 1 arguments for f, node 0 has 2; expected equally many", data=[DATA[0], (FEATURES[1],)]),
        case("data_per_node must be a list with the data of each node, got a dict", data={"a": FEATURES, "b": TARGETS}),
        case("data_per_node must be a list with the data of each node, got an empty", data=[]),
        case("the network has 4 nodes, but there is data of 3", data=DATA[:3]),
        case(
            "a network is the name of a topology, a Network, a networkx graph, or a square matrix; got int", network=4
        ),
        case("unknown topology 'rng'; did you mean 'ring'?", network="rng"),
        case("the graph falls into 2 parts; expected a connected one", network=nx.Graph([(0, 1), (2, 3)])),
        case("the adjacency matrix is not symmetric", network=np.triu(np.ones((4, 4)), 1)),
        case("a mixing matrix is symmetric, with rows that sum to one", network=3.0 * nx.to_numpy_array(RING)),
        case("the mixing matrix has the eigenvalue -1", network=0.5 * nx.to_numpy_array(RING)),
        case("the matrix of a network is a square one of numbers, got (3, 4) of float64", network=np.ones((3, 4))),
        case("the regularizer is an object such as gnn_l2o.problems.L1(0.1), got 0.1", regularizer=0.1),
        case("unknown optimizer 'milodo_lcal'; did you mean 'milodo_local'?", optimizer="milodo_lcal"),
        case("unknown parameter of prox_ed: 'step'; did you mean 'step_size'?", optimizer="prox_ed:step=1"),
        case("step_size of prox_ed is a number, got 'big'", optimizer="prox_ed:step_size=big"),
        case("or an algorithm such as ProxED(step_size=0.1); got ProxED", optimizer=ProxED),
        case("milodo_mlp: its preconditioners are matrices", optimizer="milodo_mlp", regularizer=L1(0.1)),
        case("stop must be a stopping rule, such as MaxRounds(100) | Stationary(1e-6); got 5", stop=5),
        case("certify finds the optimum; expected no other one", certify=True, optimum=1.0),
        case("unknown measure 'gap'", stop=Below("gap", 0.1)),
    ],
)
def test_wrong_arguments_are_explained(arguments: dict[str, Any], message: str) -> None:
    given = {"f": squares, "data": DATA, "network": RING, **arguments}
    with pytest.raises(InputError, match=re.escape(message)):
        gnn_l2o.minimize(given.pop("f"), given.pop("data"), given.pop("network"), **given)
