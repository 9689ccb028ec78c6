"""MetaOptimize over networks, against dense loops written from its equations and against its special cases."""

import dataclasses
import math
from collections.abc import Callable
from itertools import islice
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.driver import Driver, run
from gnn_l2o.algorithms.plain_state import plain, restored
from gnn_l2o.decentralized import Diffused, Tracked
from gnn_l2o.graph import Network
from gnn_l2o.local_updates import Adam, AdamW, Lion, LocalUpdate, RMSProp, SGDm
from gnn_l2o.problems import Differentiable, LeastSquares, Problem
from gnn_l2o.problems.regularizers import L1, Zero
from gnn_l2o.step_sizes import MetaOptimize, StepSizeLearner
from gnn_l2o.testing.hidden_network import HiddenNetwork
from gnn_l2o.testing.runs import check_cost, check_locality, check_purity, initial_points, small_problem

STEPS = 40
RING = Network.from_networkx(nx.cycle_graph(5))
RING_MATRIX = (np.eye(5) + nx.to_numpy_array(nx.cycle_graph(5))) / 3
ONE_NODE = Network.from_edges([], 1)
NETWORKS = {"one node": (ONE_NODE, np.eye(1)), "ring": (RING, RING_MATRIX)}
KAPPA = 0.1
BASES: dict[str, Any] = {
    "sgdm": SGDm(step_size=0.02, weight_decay=KAPPA),
    "rmsprop": RMSProp(step_size=0.02, weight_decay=KAPPA, epsilon=1e-30),
    "adamw": AdamW(step_size=0.02, weight_decay=KAPPA, epsilon=1e-30),
    "lion": Lion(step_size=0.02, weight_decay=KAPPA),
}
METAS: dict[str, Any] = {
    "adam": Adam(step_size=0.03, epsilon=1e-30),
    "lion": Lion(step_size=0.03),
    "sgd": SGDm(step_size=0.03, momentum=0.0),
}


class Still(LocalUpdate[None]):
    """Moves nothing."""

    def init(self, x0: Tensor, shapes: tuple[tuple[int, ...], ...]) -> None:
        return None

    def delta(self, gradient: Tensor, x: Tensor, memory: None) -> tuple[Tensor, None]:
        return torch.zeros_like(x), None


def states(algorithm: Algorithm[Any], problem: Problem, network: Network, steps: int = STEPS) -> list[Any]:
    x0 = initial_points(problem)
    with torch.no_grad():
        return list(islice(run(algorithm, problem, network, x0), steps + 1))


def linear(nodes: int) -> Differentiable:
    """Losses without curvature, so that gradients do not depend on the iterate."""
    slopes = torch.randn(nodes, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return Differentiable.from_nodes(lambda x, a: a @ x, list(slopes))


# A dense loop


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


# What must hold of every form


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


def two_arrays(nodes: int, unused: int = 0) -> Differentiable:
    """Least squares in two arrays, and one that the loss does not look at."""
    generator = torch.Generator().manual_seed(5)
    data = [torch.randn(6, 5, generator=generator, dtype=torch.float64) for _ in range(nodes)]

    def loss(x: Any, a: Tensor) -> Tensor:
        return (a @ torch.cat([x["first"].flatten(), x["second"]]) - 1).square().mean()

    x0 = {"first": torch.zeros(2, 2), "second": torch.zeros(1)}
    if unused:
        x0 = {"another": torch.ones(unused), **x0}
    return Differentiable.from_nodes(loss, data, x0=x0)


def run_from_zero(algorithm: Algorithm[Any], problem: Problem, network: Network) -> Any:
    with torch.no_grad():
        return next(islice(run(algorithm, problem, network, problem.initial_point()), 25, None))


@pytest.mark.parametrize(
    ("one", "other"), [("whole", (tuple(range(5)),)), ("tensors", (tuple(range(4)), (4,))), ("coordinates", None)]
)
def test_named_blocks_are_listed_blocks(one: str, other: Any) -> None:
    listed = tuple((k,) for k in range(5)) if other is None else other
    found = [
        run_from_zero(
            MetaOptimize(BASES["adamw"], StepSizeLearner(meta=METAS["adam"], blocks=blocks)), two_arrays(5), RING
        )
        for blocks in (one, listed)
    ]
    assert torch.equal(found[0].x, found[1].x)
    assert torch.equal(found[0].steps.log_step, found[1].steps.log_step)
    assert found[0].steps.log_step.size(1) == len(listed)


def test_blocks_learn_different_step_sizes() -> None:
    learner = StepSizeLearner(meta=METAS["sgd"], blocks="tensors")
    state = run_from_zero(MetaOptimize(SGDm(step_size=0.02), learner), two_arrays(5), RING)
    assert not torch.allclose(state.steps.log_step[:, 0], state.steps.log_step[:, 1])


@pytest.mark.parametrize("blocks", ["whole", "tensors"])
@pytest.mark.parametrize("base", BASES)
def test_an_array_without_gradient_changes_nothing(base: str, blocks: Any) -> None:
    algorithm = MetaOptimize(BASES[base], StepSizeLearner(meta=METAS["adam"], blocks=blocks))
    without, beside = (run_from_zero(algorithm, two_arrays(5, unused), RING) for unused in (0, 3))
    torch.testing.assert_close(beside.x[:, 3:], without.x, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(beside.steps.log_step[:, -1], without.steps.log_step[:, -1], rtol=1e-12, atol=1e-12)
    assert bool((beside.x[:, :3] == beside.x[:, :1]).all())


@pytest.mark.parametrize("base", ["adamw", "lion"])
@pytest.mark.parametrize("meta", ["adam", "lion"])
def test_the_scale_of_the_loss_does_not_matter(base: str, meta: str) -> None:
    problem = small_problem(5, Zero())
    larger = LeastSquares.from_nodes(list(8 * problem.features), list(8 * problem.targets), Zero())
    algorithm = MetaOptimize(BASES[base], StepSizeLearner(meta=METAS[meta]))
    one, other = (states(algorithm, p, RING)[-1] for p in (problem, larger))
    torch.testing.assert_close(one.x, other.x, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(one.steps.log_step, other.steps.log_step, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("tracked", [False, True])
@pytest.mark.parametrize("base", BASES)
def test_nodes_with_equal_losses_are_one_node(base: str, tracked: bool) -> None:
    alone = small_problem(1, Zero())
    many = LeastSquares.from_nodes([alone.features[0]] * 5, [alone.targets[0]] * 5, Zero())
    algorithm = MetaOptimize(BASES[base], StepSizeLearner(meta=METAS["adam"]), tracked=tracked)
    x0 = initial_points(alone)
    with torch.no_grad():
        one = next(islice(run(algorithm, alone, ONE_NODE, x0), STEPS, None))
        five = next(islice(run(algorithm, many, RING, x0.repeat(5, 1)), STEPS, None))
    assert torch.equal(five.x, one.x.expand(5, -1))
    assert torch.equal(five.steps.log_step, one.steps.log_step.expand(5, -1))


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("meta", METAS)
def test_a_resumed_run_is_the_uninterrupted_one(base: str, meta: str) -> None:
    problem = small_problem(5, Zero())
    algorithm = MetaOptimize(BASES[base], StepSizeLearner(meta=METAS[meta]), tracked=True)
    driver = Driver(algorithm, problem, RING, initial_points(problem))
    driver.advance(10)
    again = Driver.resume(algorithm, problem, RING, restored(plain(driver.state)), 10)
    driver.advance(30)
    again.advance(30)
    assert torch.equal(again.x, driver.x)


def test_it_finds_the_step_of_a_quadratic() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(20, 10, generator=generator, dtype=torch.float64)
    problem = LeastSquares.from_nodes([features], [features @ torch.full((10,), 2.0)], Zero())
    x0 = torch.zeros(1, 10)  # the minimum is 0

    def gap(algorithm: Algorithm[Any], steps: int) -> float:
        with torch.no_grad():
            x = next(islice(run(algorithm, problem, ONE_NODE, x0), steps, None)).x
        return float(problem.objective(x))

    base = AdamW(step_size=1e-4, weight_decay=0.0)
    assert gap(MetaOptimize(base, StepSizeLearner(meta=Adam(step_size=1e-3))), 6000) < 1e-8
    assert gap(Diffused(base), 6000) > 1.0


# Numbers that travel with a vector


@pytest.mark.parametrize("faults", ["", "drop=0.4,sleep=0.1", "one_way=0.3"])
def test_numbers_are_mixed_as_the_vector_that_they_travel_with(faults: str) -> None:
    two = Network.concatenate([RING, ONE_NODE, Network.from_networkx(nx.star_graph(3))])
    network, other = (two.with_faults(faults) if faults else two.to() for _ in range(2))
    for _ in range(4):  # rounds fail differently
        x = torch.randn(10, 6)
        mixed, numbers = network.mix_with(x, x[:, :2])
        torch.testing.assert_close(mixed, other.mix(x), rtol=1e-14, atol=1e-14)
        torch.testing.assert_close(numbers, mixed[:, :2], rtol=1e-14, atol=1e-14)
    assert (network.traffic.rounds, network.traffic.vectors, network.traffic.numbers) == (4, 4, 8)


# Bounds, costs and errors


def learned_steps(base: Any, learner: StepSizeLearner) -> Tensor:
    return torch.stack(
        [s.steps.log_step.exp() for s in states(MetaOptimize(base, learner), small_problem(5, Zero()), RING)]
    )


def test_steps_stay_within_their_bounds() -> None:
    stable, fast = 2 / float(small_problem(5, Zero()).smoothness().max()), Lion(step_size=1.0)
    short, long = SGDm(step_size=0.01 * stable), SGDm(step_size=30 * stable, momentum=0.0)
    assert float(learned_steps(short, StepSizeLearner(meta=fast, ceiling=0.5)).max()) == pytest.approx(0.5 * stable)
    assert float(learned_steps(short, StepSizeLearner(meta=fast, highest=0.01)).max()) == pytest.approx(0.01)
    found = learned_steps(long, StepSizeLearner(meta=fast, lowest=1e-3))
    assert float(found.max()) == pytest.approx(30 * stable)
    assert float(found.min()) == pytest.approx(1e-3)


LEARNERS = [
    StepSizeLearner(),
    StepSizeLearner(shared=False),
    StepSizeLearner(ceiling=0.9),
    StepSizeLearner(blocks="tensors"),
    StepSizeLearner(blocks="coordinates"),
    StepSizeLearner(blocks=((0, 2), (1, 3))),
]


@pytest.mark.parametrize("tracked", [False, True])
@pytest.mark.parametrize("learner", LEARNERS, ids=lambda each: f"{each.blocks}-{each.shared}-{each.ceiling}")
def test_it_costs_what_it_declares_and_reads_no_more(learner: StepSizeLearner, tracked: bool) -> None:
    algorithm = MetaOptimize(BASES["adamw"], learner, tracked=tracked)
    problem = small_problem(5, Zero())
    check_cost(algorithm, problem, RING, HiddenNetwork)
    check_purity(algorithm, problem, RING, HiddenNetwork)
    check_locality(algorithm, Network.from_networkx(nx.path_graph(10)), Zero(), HiddenNetwork)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MetaOptimize(Still()), "metaoptimize needs a local update with a step_size"),  # type: ignore[arg-type]
        (lambda: MetaOptimize(BASES["adamw"], discount=1.5), r"needs a discount in \[0, 1\], got 1.5"),
        (lambda: MetaOptimize(BASES["adamw"], curvature=True), r"curvature=True is for SGDm\(momentum=0\)"),
        (lambda: StepSizeLearner(blocks="layers"), "blocks are whole, tensors, coordinates or lists"),
        (lambda: StepSizeLearner(blocks=((0, 1), (1, 2))), "1 is in more than one place"),
        (lambda: StepSizeLearner(blocks=((0, 1), ())), "none of them empty"),
        (lambda: StepSizeLearner(ceiling=0.0), "a ceiling is a finite number > 0, got 0.0"),
        (lambda: StepSizeLearner(lowest=1.0, highest=0.1), "expected 0 < lowest <= highest, got 1.0 and 0.1"),
        (lambda: StepSizeLearner(meta=Adam), "meta is a local update such as"),  # type: ignore[arg-type]
    ],
)
def test_wrong_arguments_are_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize(
    ("blocks", "message"), [(((0, 1), (2,)), "but 3 is in none"), (((0, 1, 2), (3, 4)), "but 4 is none of them")]
)
def test_blocks_that_are_no_partition_are_refused(blocks: Any, message: str) -> None:
    problem = small_problem(5, Zero())
    with pytest.raises(InputError, match=message):
        states(MetaOptimize(BASES["adamw"], StepSizeLearner(blocks=blocks)), problem, RING)
