"""MetaOptimize over networks, against dense loops written from its equations and against its special cases."""

import dataclasses
import math
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch

from gnn_l2o.decentralized import Diffused, Tracked
from gnn_l2o.local_updates import Lion, SGDm
from gnn_l2o.problems import Differentiable, LeastSquares
from gnn_l2o.problems.regularizers import L1, Zero
from gnn_l2o.step_sizes import MetaOptimize, StepSizeLearner
from gnn_l2o.testing.runs import initial_points, small_problem
from tests.step_sizes.small_learners import BASES, KAPPA, METAS, ONE_NODE, RING, STEPS, Still, states

RING_MATRIX = (np.eye(5) + nx.to_numpy_array(nx.cycle_graph(5))) / 3
NETWORKS = {"one node": (ONE_NODE, np.eye(1)), "ring": (RING, RING_MATRIX)}


def linear(nodes: int) -> Differentiable:
    """Losses without curvature, so that gradients do not depend on the iterate."""
    slopes = torch.randn(nodes, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return Differentiable.from_nodes(lambda x, a: a @ x, list(slopes))


class Direction:
    """What a base multiplies by minus the step size, in numpy; buffers begin at zero."""

    def __init__(self, name: str) -> None:
        self.name, self.m, self.v, self.k = name, np.zeros(1), np.zeros(1), 0

    def __call__(self, g: np.ndarray) -> np.ndarray:
        self.k += 1
        if self.name == "sgd":
            return g
        if self.name == "lion":
            u = np.sign(0.9 * self.m + 0.1 * g)
            self.m = 0.99 * self.m + 0.01 * g
            return u
        rho = 0.0 if self.name == "rmsprop" else 0.9
        self.m = rho * self.m + (1 - rho) * g
        if self.name == "sgdm":
            return self.m
        self.v = 0.999 * self.v + 0.001 * g**2
        mu = math.sqrt(1 - 0.999**self.k) / (1 - rho**self.k)
        return np.asarray(mu * self.m / np.sqrt(self.v + 1e-300))


def algorithm_3(
    base: str,
    meta: str,
    problem: LeastSquares,
    w: np.ndarray,
    *,
    gamma: float,
    shared: bool = True,
    tracked: bool = False,
    alpha: float = 0.02,
    eta: float = 0.03,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Algorithm 3 of the paper at every node, with mixing: iterates and step sizes after 0, 1, ... steps."""
    a, b = problem.features.numpy(), problem.targets.numpy()

    def gradient(x: np.ndarray) -> np.ndarray:
        return np.asarray(np.einsum("nmd,nm->nd", a, np.einsum("nmd,nd->nm", a, x) - b) / a.shape[1])

    x = initial_points(problem).numpy()
    beta = np.full((len(x), 1), math.log(alpha))
    h, u, meta_u, found = np.zeros_like(x), Direction(base), Direction(meta), [(x, np.exp(beta))]
    g, own = gradient(x), np.diag(w)[:, None]
    y, s, z_old = g, np.zeros_like(beta), np.zeros_like(beta)
    for _ in range(STEPS):
        followed = y if tracked else g
        z = (h * followed).sum(1, keepdims=True)
        s = w @ s + z - z_old if shared else z
        z_old = z
        step = np.exp(beta)
        delta = -step * u(followed) - KAPPA * step * x
        kept = gamma * (1 - KAPPA * step) * h + delta
        x, h = w @ (x + delta), w @ kept if shared else own * kept
        beta = beta - eta * meta_u(s)
        beta = w @ beta if shared else beta
        y, g = w @ y - g + gradient(x), gradient(x)
        found.append((x, np.exp(beta)))
    return found


@pytest.mark.parametrize("where", NETWORKS)
@pytest.mark.parametrize("meta", METAS)
@pytest.mark.parametrize("base", BASES)
def test_it_is_algorithm_3_at_one_node_and_with_mixing_at_many(base: str, meta: str, where: str) -> None:
    network, w = NETWORKS[where]
    problem = small_problem(len(w), Zero())
    algorithm = MetaOptimize(BASES[base], StepSizeLearner(meta=METAS[meta]), discount=0.97)
    expected = algorithm_3(base, meta, problem, w, gamma=0.97)
    for state, (x, alpha) in zip(states(algorithm, problem, network), expected, strict=True):
        np.testing.assert_allclose(state.x, x, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(state.steps.log_step.exp(), alpha, rtol=1e-8)


@pytest.mark.parametrize(("shared", "tracked"), [(True, True), (False, False), (False, True)])
def test_own_step_sizes_and_tracking_are_the_dense_loop(shared: bool, tracked: bool) -> None:
    problem = small_problem(5, Zero())
    learner = StepSizeLearner(meta=METAS["adam"], shared=shared)
    algorithm = MetaOptimize(BASES["sgdm"], learner, tracked=tracked)
    expected = algorithm_3("sgdm", "adam", problem, RING_MATRIX, gamma=1.0, shared=shared, tracked=tracked)
    for state, (x, alpha) in zip(states(algorithm, problem, RING), expected, strict=True):
        np.testing.assert_allclose(state.x, x, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(state.steps.log_step.exp(), alpha, rtol=1e-8)


@pytest.mark.parametrize(("tracked", "wrapper"), [(False, Diffused), (True, Tracked)])
@pytest.mark.parametrize("base", BASES)
def test_without_a_meta_update_it_is_the_base_method(base: str, tracked: bool, wrapper: Any) -> None:
    update, problem = BASES[base], small_problem(5, L1(0.1))
    learned = MetaOptimize(update, StepSizeLearner(meta=Still()), tracked=tracked)
    step = float(torch.tensor(update.step_size).log().exp())
    plain_method = wrapper(dataclasses.replace(update, step_size=step))
    for ours, theirs in zip(states(learned, problem, RING), states(plain_method, problem, RING), strict=True):
        assert torch.equal(ours.x, theirs.x)


@pytest.mark.parametrize("where", NETWORKS)
@pytest.mark.parametrize("tracked", [False, True])
@pytest.mark.parametrize("base", BASES)
def test_the_trace_is_the_derivative_of_the_iterate(base: str, tracked: bool, where: str) -> None:
    network, w = NETWORKS[where]
    problem, eps = linear(len(w)), 1e-5

    def after(step: float) -> Any:
        update = dataclasses.replace(BASES[base], step_size=step)
        return states(MetaOptimize(update, StepSizeLearner(meta=Still()), tracked=tracked), problem, network)[-1]

    difference = (after(0.02 * math.exp(eps)).x - after(0.02 * math.exp(-eps)).x) / (2 * eps)
    trace = after(0.02).trace
    assert trace.abs().max() > 0.1
    assert (trace - difference).abs().max() < 1e-8


def test_without_discount_it_is_hypergradient_descent() -> None:
    problem, eta = small_problem(1, Zero()), 0.1
    learner = StepSizeLearner(meta=SGDm(step_size=eta, momentum=0.0))
    algorithm = MetaOptimize(SGDm(step_size=0.01, momentum=0.0), learner, discount=0.0)
    x, beta, last = initial_points(problem), torch.tensor([[math.log(0.01)]]), torch.zeros(1, problem.dim)
    step = beta.exp()
    for state in states(algorithm, problem, ONE_NODE):
        torch.testing.assert_close(state.x, x, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(state.steps.log_step, beta, rtol=1e-12, atol=1e-12)
        g = problem.gradient(x)
        before, step = step, beta.exp()
        x, beta, last = x - step * g, beta + eta * before * (g * last).sum(), g


def test_with_curvature_and_a_step_for_each_coordinate_it_is_idbd() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(STEPS, 4, generator=generator, dtype=torch.float64)
    targets, theta = inputs @ torch.tensor([1.0, -2.0, 0.0, 3.0]), 0.05
    learner = StepSizeLearner(meta=SGDm(step_size=theta, momentum=0.0), blocks="coordinates")
    algorithm = MetaOptimize(SGDm(step_size=0.05, momentum=0.0), learner, curvature=True)
    w, h, beta = torch.zeros(4), torch.zeros(4), torch.full((4,), math.log(0.05))
    state = None
    for x, y in zip(inputs, targets, strict=True):  # a new sample in every step: least mean squares
        problem = LeastSquares.from_nodes([x[None]], [y[None]], Zero())
        state = algorithm.init(problem, ONE_NODE, w[None]) if state is None else state
        state = algorithm.step(problem, ONE_NODE, state)
        alpha, error = beta.exp(), y - w @ x
        beta = beta + theta * error * x * h
        w = w + alpha * error * x
        h = h * (1 - alpha * x**2) + alpha * error * x
        torch.testing.assert_close(state.x[0], w, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(state.steps.log_step[0], beta, rtol=1e-10, atol=1e-10)


def test_while_the_slope_keeps_its_sign_steps_grow_by_the_same_factor() -> None:
    learner = StepSizeLearner(meta=Lion(step_size=1e-3))
    algorithm = MetaOptimize(SGDm(step_size=1e-4, momentum=0.0), learner)
    found = states(algorithm, linear(1), ONE_NODE, 1001)
    for k, expected in ((500, 1.649e-4), (1000, 2.718e-4)):  # one later: the first trace is zero
        assert float(found[k + 1].steps.log_step.exp()) == pytest.approx(expected, rel=1e-3)
