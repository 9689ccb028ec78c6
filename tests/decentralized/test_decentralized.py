"""Local updates over networks: every wrapper around every update, against dense loops written from the equations."""

from itertools import islice
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import Algorithm, spent
from gnn_l2o.algorithms.driver import run
from gnn_l2o.decentralized import WRAPPED, Diffused, PrimalDual, Tracked
from gnn_l2o.graph import Network
from gnn_l2o.handcrafted import ProxED
from gnn_l2o.local_updates import UPDATES, Adam, AdamW, LocalUpdate, SGDm, TorchOptimizer
from gnn_l2o.problems import LeastSquares, solve
from gnn_l2o.problems.regularizers import L1, Regularizer, Zero
from gnn_l2o.testing.methods import check_method
from gnn_l2o.testing.runs import check_cost, initial_points, small_problem

STEPS = 25
GRAPH = nx.cycle_graph(5)
RING = Network.from_networkx(GRAPH)
ONE_NODE = Network.from_edges([], 1)
WRAPPERS = (Diffused, Tracked, PrimalDual)
EACH = pytest.mark.parametrize("wrapper", WRAPPERS, ids=lambda w: w.name)


def mixing_matrix() -> np.ndarray:
    """Metropolis weights of the ring: all degrees are 2."""
    return (np.eye(5) + nx.to_numpy_array(GRAPH)) / 3


def problem_of(nodes: int, regularizer: Regularizer | None = None) -> LeastSquares:
    return small_problem(nodes, regularizer or Zero())


def iterates(algorithm: Algorithm[Any], problem: LeastSquares, network: Network, steps: int = STEPS) -> list[Tensor]:
    with torch.no_grad():
        return [s.x for s in islice(run(algorithm, problem, network, initial_points(problem)), steps + 1)]


class Gradients:
    """The gradients of a problem as a dense oracle has them: of the averages of squares, with a subgradient of l1."""

    def __init__(self, problem: LeastSquares, weight: float = 0.0) -> None:
        self.features, self.targets, self.weight = problem.features.numpy(), problem.targets.numpy(), weight

    def __call__(self, x: np.ndarray) -> np.ndarray:
        residual = np.einsum("nmd,nd->nm", self.features, x) - self.targets
        gradient = np.einsum("nmd,nm->nd", self.features, residual) / self.features.shape[1]
        return np.asarray(gradient + self.weight * np.sign(x))


@pytest.mark.parametrize("name", WRAPPED)
def test_methods_keep_the_contract(name: str) -> None:
    check_method(WRAPPED[name])


@pytest.mark.parametrize("name", [*UPDATES, "torch"])
@EACH
def test_one_node_runs_the_centralized_optimizer(wrapper: Any, name: str) -> None:
    update: Any = UPDATES[name](step_size=0.05) if name in UPDATES else TorchOptimizer(torch.optim.AdamW, {"lr": 0.05})
    problem = problem_of(1)
    x = initial_points(problem)
    memory = update.init(x, problem.shapes)
    for ours in iterates(wrapper(update), problem, ONE_NODE):
        assert torch.equal(ours, x)
        x, memory = update.move(problem.gradient(x), x, memory)


@pytest.mark.parametrize("name", WRAPPED)
def test_the_method_of_a_pair_is_the_wrapper_around_the_update(name: str) -> None:
    method, problem = WRAPPED[name], problem_of(5)
    setting = dict.fromkeys(method.grid, 0.07)
    wrapper = next(w for w in WRAPPERS if name.startswith(w.name))
    update: Any = UPDATES[name.removeprefix(f"{wrapper.name}_")](step_size=0.07)
    expected = PrimalDual(update, dual_step=0.07) if wrapper is PrimalDual else wrapper(update)
    for ours, theirs in zip(iterates(method(**setting), problem, RING), iterates(expected, problem, RING), strict=True):
        assert torch.equal(ours, theirs)


class DenseAdam:
    """Adam with its default parameters, as a loop has it."""

    def __init__(self, step: float) -> None:
        self.step, self.m, self.v, self.k = step, np.zeros(1), np.zeros(1), 0

    def __call__(self, g: np.ndarray) -> np.ndarray:
        self.k += 1
        self.m = 0.9 * self.m + 0.1 * g
        self.v = 0.999 * self.v + 0.001 * g**2
        size = np.sqrt(self.v / (1 - 0.999**self.k)) + 1e-8
        return np.asarray(-self.step * self.m / (1 - 0.9**self.k) / size)


@pytest.mark.parametrize("weight", [0.0, 0.2])
@EACH
def test_many_nodes_are_a_dense_loop(wrapper: Any, weight: float) -> None:
    problem = problem_of(5, L1(weight) if weight else Zero())
    gradient, w, delta = Gradients(problem, weight), mixing_matrix(), DenseAdam(0.05)
    x = initial_points(problem).numpy()
    y = np.zeros_like(x) if wrapper is PrimalDual else gradient(x)
    for ours in iterates(wrapper(Adam(step_size=0.05)), problem, RING):
        np.testing.assert_allclose(ours, x, rtol=1e-9, atol=1e-9)
        if wrapper is Diffused:
            x = w @ (x + delta(gradient(x)))
        elif wrapper is Tracked:
            after = w @ (x + delta(y))
            y = w @ y + gradient(after) - gradient(x)
            x = after
        else:
            z = x + delta(gradient(x) + y)
            y = y + (z - w @ z)
            x = 0.5 * (z + w @ z)


@EACH
def test_a_prox_step_replaces_the_subgradient_after_the_mixing(wrapper: Any) -> None:
    problem = problem_of(5, L1(0.2))
    smooth = problem_of(5)
    (x1,) = iterates(wrapper(SGDm(step_size=0.1), prox_step=0.3), problem, RING, 1)[1:]
    (before,) = iterates(wrapper(SGDm(step_size=0.1)), smooth, RING, 1)[1:]
    torch.testing.assert_close(x1, before.sign() * (before.abs() - 0.06).clamp(min=0))


@EACH
@pytest.mark.parametrize("prox_step", [None, 0.3])
def test_costs_are_as_declared(wrapper: Any, prox_step: float | None) -> None:
    algorithm = wrapper(Adam(step_size=0.1), prox_step=prox_step)
    check_cost(algorithm, problem_of(5, L1(0.2)), RING, lambda network: network)
    assert algorithm.cost.vectors == (2 if wrapper is Tracked else 1)


def test_with_a_gradient_step_the_primal_dual_method_is_exact_diffusion() -> None:
    problem, alpha = problem_of(5), 0.05
    ours = PrimalDual(SGDm(step_size=alpha, momentum=0.0), dual_step=1 / (2 * alpha))
    for x, y in zip(iterates(ours, problem, RING), iterates(ProxED(alpha), problem, RING), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("wrapper", "dual"), [(Tracked, "c"), (PrimalDual, "y")])
def test_a_solution_is_a_fixed_point_if_the_update_preserves_zero(wrapper: Any, dual: str) -> None:
    problem = problem_of(5)
    x = problem.spread(solve(problem).x)
    for update in (SGDm(step_size=0.1), SGDm(step_size=0.1, weight_decay=0.5)):
        algorithm = wrapper(update)
        state = algorithm.init(problem, RING, x)
        state = type(state)(**{**vars(state), dual: -problem.gradient(x)})
        after = algorithm.step(problem, RING, state)
        assert torch.allclose(after.x, x, atol=1e-9) == update.preserves_zero


def test_diffusion_stops_beside_the_solution_and_tracking_reaches_it() -> None:
    problem = problem_of(5)
    optimum, update = solve(problem).x, SGDm(step_size=0.05)
    distance = {
        wrapper: float((iterates(wrapper(update), problem, RING, 3000)[-1] - optimum).abs().max())
        for wrapper in (Diffused, Tracked)
    }
    assert distance[Diffused] > 1e-3
    assert distance[Tracked] < 1e-8


class Learned(LocalUpdate[None]):
    """A linear layer as a local update."""

    def __init__(self) -> None:
        self.layer = nn.Linear(1, 1, bias=False)

    def init(self, x0: Tensor, shapes: tuple[tuple[int, ...], ...]) -> None:
        return None

    def delta(self, gradient: Tensor, x: Tensor, memory: None) -> tuple[Tensor, None]:
        return -0.1 * self.layer(gradient.unsqueeze(2)).squeeze(2).tanh(), None


@EACH
def test_the_weights_of_a_learned_update_can_be_trained_through_many_iterations(wrapper: Any) -> None:
    problem, update = problem_of(5, L1(0.2)), Learned()
    weight = update.layer.weight

    def loss() -> Tensor:
        state = next(islice(run(wrapper(update), problem, RING, initial_points(problem)), 8, None))
        return problem.loss(state.x).sum()

    (slope,) = torch.autograd.grad(loss(), weight)
    values = []
    for sign in (1.0, -1.0):
        with torch.no_grad():
            weight += sign * 1e-6
            values.append(float(loss()))
            weight -= sign * 1e-6
    assert float(slope) == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-4)


def test_an_iteration_evaluates_one_gradient() -> None:
    problem, network = problem_of(5), RING.to()
    iterates(Tracked(AdamW(step_size=0.1)), problem, network, 3)
    assert spent(problem, network).gradients == 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Diffused(SGDm), "diffused runs a local update such as"),  # type: ignore[arg-type]
        (lambda: Tracked(SGDm(step_size=1.0), prox_step=0.0), "tracked needs a finite prox_step > 0, got 0.0"),
        (lambda: PrimalDual(SGDm(step_size=1.0), dual_step=-1.0), "primal_dual needs a finite dual_step > 0"),
    ],
)
def test_wrong_arguments_are_refused(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()
