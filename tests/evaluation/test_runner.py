"""Running: when a run is measured and ends, and what is counted of it."""

import itertools
import weakref
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from gnn_l2o.algorithms import driver
from gnn_l2o.algorithms.base import Cost
from gnn_l2o.algorithms.driver import run
from gnn_l2o.algorithms.registry import METHODS
from gnn_l2o.algorithms.stopping import Below, MaxRounds, StoppingRule
from gnn_l2o.evaluation import Instance, Metrics
from gnn_l2o.evaluation.metrics import OptimalityGap
from gnn_l2o.evaluation.runner import checkpoints
from gnn_l2o.evaluation.selection import members
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import ProxED
from gnn_l2o.handcrafted.prox_ed import ProxEDState
from gnn_l2o.learned import available_models, load_model
from gnn_l2o.problems import Problem
from gnn_l2o.problems.regularizers import Zero
from tests.evaluation.learned_step import Learned
from tests.evaluation.small_instances import instance, measured, relative, traced


@pytest.mark.parametrize("iterations", [1, 7, 200, 201, 5000])
def test_checkpoints_are_dense_enough(iterations: int) -> None:
    points = list(checkpoints(iterations))
    assert points[: min(iterations, 200) + 1] == list(range(min(iterations, 200) + 1))
    assert points[-1] == iterations
    assert points == sorted(set(points))
    assert all(b <= max(a + 1, 1.01 * a) for a, b in itertools.pairwise(points))


def test_a_trace_is_what_the_run_did() -> None:
    on = instance()
    algorithm = relative(ProxED, on, 0.7)
    trace = traced(algorithm, on, 250)
    assert trace.iteration == list(checkpoints(250))
    states = run(algorithm, on.problem, on.network, on.x0)
    gaps = [measured(on, next(states).x).gap.item() for _ in range(251)]
    assert trace.optimality_gap == [gaps[k] for k in trace.iteration]
    assert trace.optimality_gap[0] == pytest.approx(1)
    first = next(k for k, gap in enumerate(gaps) if gap <= 1e-3)
    assert trace.iteration[trace.reached(1e-3)] == first  # type: ignore[index]
    assert trace.reached(-1.0) is None
    assert not trace.diverged


def test_a_run_that_diverges_stops() -> None:
    on = instance()
    trace = traced(relative(ProxED, on, 50.0), on, 10_000)
    assert trace.diverged
    assert trace.iteration[-1] < 100
    assert not trace.optimality_gap[-1] <= 1e6


@pytest.mark.parametrize(
    ("rule", "end"), [(MaxRounds(17), 17), (Below("optimality_gap", 1e-3), None), (Below("consensus_error", 1e9), 0)]
)
def test_rules_end_a_run(rule: StoppingRule, end: int | None) -> None:
    on = instance()
    whole = traced(relative(ProxED, on, 0.7), on, 250)
    trace = traced(relative(ProxED, on, 0.7), on, 250, stop=[rule])
    assert trace.iteration[-1] == (whole.reached(1e-3) if end is None else end) < 250
    assert trace.measures == {name: values[: len(trace.iteration)] for name, values in whole.measures.items()}
    assert not trace.diverged


def test_the_clock_runs_during_steps_only(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    class Clocked(ProxED):
        def init(self, problem: Problem, network: Network, x0: Tensor) -> ProxEDState:
            clock[0] += 10_000
            return super().init(problem, network, x0)

        def step(self, problem: Problem, network: Network, state: ProxEDState) -> ProxEDState:
            clock[0] += 1
            return super().step(problem, network, state)

    class SlowMetrics(Metrics):
        def __call__(self, x: Tensor) -> Any:
            clock[0] += 100
            return super().__call__(x)

    monkeypatch.setattr(driver, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    on = instance()
    slow = SlowMetrics(on.reference(torch.float64), [OptimalityGap()])
    trace = traced(relative(Clocked, on, 0.5), on, 30, metrics=slow)
    assert trace.seconds == list(range(31))


def fresh(on: Instance) -> Instance:
    """Return the same instance as objects that have counted nothing yet."""
    problem, network, _ = on.cast(torch.float64)
    return Instance(problem, network, on.solution, on.value)


SMOOTH = instance(3, nodes=10, dim=10, regularizer=Zero())  # for methods and models that want it so


@pytest.mark.parametrize("name", members("all"))
def test_every_method_spends_what_it_declares(name: str) -> None:
    on = fresh(SMOOTH)
    algorithm = METHODS[name].from_setting(on.problem, METHODS[name].settings(1)[0])
    trace = traced(algorithm, on, 25)
    declared = [algorithm.total_cost(k).on(int(on.network.diameter)) for k in trace.iteration[1:]]
    assert [counted.declarable for counted in trace.spent[1:]] == declared


@pytest.mark.parametrize("name", available_models())
def test_every_shipped_model_spends_what_it_declares(name: str) -> None:
    on, algorithm = fresh(SMOOTH), load_model(name)
    if (reason := algorithm.refusal(on.problem, on.network)) is not None:
        pytest.skip(reason)
    algorithm = algorithm.to(dtype=torch.float64)  # type: ignore[attr-defined]
    trace = traced(algorithm, on, 25)
    spent = [cost.declarable for cost in trace.spent[1:]]
    assert spent == [algorithm.total_cost(k).on(int(on.network.diameter)) for k in trace.iteration[1:]]


def test_only_the_run_itself_is_counted() -> None:
    on = fresh(instance())

    class Nosy(Metrics):
        def __call__(self, x: Tensor) -> Any:
            on.problem.prox(on.problem.gradient(on.network.mix(x)), 0.1)
            return super().__call__(x)

    on.network.mix(on.x0)  # what happened before the run does not count either
    nosy = Nosy(on.reference(torch.float64), [OptimalityGap()])
    algorithm = relative(ProxED, on, 0.5)
    trace = traced(algorithm, on, 300, metrics=nosy)
    assert trace.spent == [Cost(rounds=k, vectors=k, gradients=k, proxes=k) for k in trace.iteration]


def test_a_run_ends_where_the_algorithm_does() -> None:
    @dataclass(frozen=True, eq=False)
    class Shallow(Learned):
        depth = 7

    assert traced(Shallow(torch.tensor(0.5)), instance(), 500).iteration[-1] == 7
    assert traced(Shallow(torch.tensor(0.5)), instance(), 5).iteration[-1] == 5


def test_memory_does_not_grow_with_iterations() -> None:
    alive: weakref.WeakSet[Tensor] = weakref.WeakSet()
    most, graphs = [0], [0]

    @dataclass(frozen=True, eq=False)
    class Watched(Learned):
        def step(self, problem: Problem, network: Network, state: ProxEDState) -> ProxEDState:
            state = super().step(problem, network, state)
            alive.add(state.x)
            most[0] = max(most[0], len(alive))
            graphs[0] += state.x.requires_grad
            return state

    traced(Watched(torch.nn.Parameter(torch.tensor(0.5))), instance(), 500)
    assert most[0] <= 3
    assert graphs[0] == 0
