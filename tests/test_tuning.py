"""Tuning: what is tried, what is chosen, what is kept on disk."""

import statistics
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor

from gnn_l2o.algorithms.base import Algorithm, Cost
from gnn_l2o.algorithms.registry import METHODS
from gnn_l2o.algorithms.tunable import Choice, Range, Tunable
from gnn_l2o.evaluation import Instance, Metrics, Trace, measure, tune, tuning_cache, tuning_race
from gnn_l2o.evaluation.metrics import OptimalityGap
from gnn_l2o.evaluation.tuning import Tuning, settle
from gnn_l2o.evaluation.tuning_cache import tune_or_recall
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import ProxDGD, ProxED
from gnn_l2o.handcrafted.prox_ed import ProxEDState
from gnn_l2o.problems import LeastSquares, Problem, solve
from gnn_l2o.problems.regularizers import L1


def instance(seed: int = 0, *, nodes: int = 5) -> Instance:
    random = np.random.default_rng(seed)
    features = random.standard_normal((nodes, 6, 4))
    targets = features @ random.standard_normal(4) + random.standard_normal((nodes, 6))
    problem = LeastSquares.from_nodes(list(features), list(targets), L1(0.1))
    solution = solve(problem)
    return Instance(problem, Network.from_networkx(nx.cycle_graph(nodes)), solution.x, solution.value)


def traced(algorithm: Algorithm[Any], on: Instance, iterations: int) -> Trace:
    metrics = Metrics(on.reference(torch.float64), [OptimalityGap()])
    return measure(algorithm, on.problem, on.network, on.x0, metrics=metrics, iterations=iterations)


@dataclass(frozen=True, eq=False)
class Gossip(ProxED):
    """Exact diffusion that mixes several times: a method with a parameter that shapes its iteration."""

    name = "gossip"
    grid = {"step_size": Range(0.05, 10.0, unit="1/L"), "mixings": Choice((1, 2))}  # noqa: RUF012

    mixings: float = 1

    @property
    def cost(self) -> Cost:  # type: ignore[override]
        return Cost(rounds=int(self.mixings), vectors=int(self.mixings), gradients=1, proxes=1)

    def step(self, problem: Problem, network: Network, state: ProxEDState) -> ProxEDState:
        state = super().step(problem, network, state)
        z = state.z
        for _ in range(int(self.mixings) - 1):
            z = 0.5 * (z + network.mix(z))
        return ProxEDState(problem.prox(z, self.step_size), z, state.psi)


def exhaustive(
    method: type[Tunable[Any]],
    settings: list[dict[str, float]],
    on: list[Instance],
    iterations: int,
    tolerance: float = 1e-4,
) -> tuple[dict[str, float], list[float]]:
    """Run every setting alone and to the end; return the best and the median rounds of all."""
    rounds, scores = [], []
    for setting in settings:
        traces, costs = [], []
        for part in on:
            algorithm = method.from_setting(part.problem, setting)
            traces.append(traced(algorithm, part, iterations))
            costs.append(algorithm.cost.rounds)
        reached = [t.reached(tolerance) for t in traces]
        needed = [np.inf if k is None else t.iteration[k] * c for k, t, c in zip(reached, traces, costs, strict=True)]
        rounds.append(statistics.median(needed))
        gap = statistics.median([np.inf if t.diverged else t.optimality_gap[-1] for t in traces])
        scores.append((rounds[-1], gap if np.isinf(rounds[-1]) else 0.0, setting["step_size"]))
    return settings[scores.index(min(scores))], rounds


@pytest.mark.parametrize("cached", [1, 2**16], ids=["one by one", "side by side"])
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("iterations", [6, 150], ids=["out of reach", "within reach"])
@pytest.mark.parametrize("method", [ProxDGD, ProxED, Gossip], ids=["prox_dgd", "prox_ed", "gossip"])
def test_tuning_picks_what_exhaustive_search_picks(
    method: type[Tunable[Any]], iterations: int, count: int, cached: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning_race, "CACHED", cached)
    on = [instance(k) for k in range(count)]
    found = tune(method, on, iterations=iterations, budget=9)
    settings = [t.setting for t in found.trials]
    assert settings[:6] == method.settings(6)
    best, rounds = exhaustive(method, settings, on, iterations)
    assert found.setting == best
    chosen = next(t for t in found.trials if t.setting == best)
    assert chosen.rounds == min(rounds)
    for trial, expected in zip(found.trials, rounds, strict=True):
        assert trial.rounds in (expected, np.inf)  # those that were stopped are not said to have got there


def test_the_tolerance_decides_which_is_first() -> None:
    on = [instance(k) for k in range(2)]
    for tolerance in (1e-1, 1e-8):
        found = tune(Gossip, on, iterations=400, budget=9, tolerance=tolerance)
        _, rounds = exhaustive(Gossip, [t.setting for t in found.trials], on, 400, tolerance)
        assert min(t.rounds for t in found.trials) == min(rounds) < 400


def test_the_last_third_of_the_budget_refines_the_best_step() -> None:
    found = tune(ProxED, [instance()], iterations=150, budget=12)
    coarse, fine = found.trials[:8], found.trials[8:]
    steps = [t.setting["step_size"] for t in coarse]
    best = min(range(8), key=lambda k: coarse[k].rounds)
    assert len(fine) == 4
    assert all(steps[best - 1] < t.setting["step_size"] < steps[best + 1] for t in fine)
    assert found.warnings == []


class Counting(ProxED):
    """Counts its steps and notes how many rows they work on."""

    rows: list[int] = []  # noqa: RUF012

    def step(self, problem: Problem, network: Network, state: ProxEDState) -> ProxEDState:
        self.rows.append(len(state.x))
        return super().step(problem, network, state)


def test_tuning_stops_when_the_winner_is_certain_and_drops_what_diverged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counting, "rows", [])
    found = tune(Counting, [instance(0), instance(1), instance(2)], iterations=500, budget=12)
    best = min(t.rounds for t in found.trials)
    coarse = min(t.rounds for t in found.trials[:8])
    assert len(Counting.rows) <= best + coarse + 500  # the winner alone runs to the horizon
    assert Counting.rows[-500:] == [15] * 500
    assert Counting.rows[0] == 8 * 15
    assert Counting.rows[int(coarse) - 1] <= 6 * 15  # the largest of eight log-spaced steps are gone
    assert np.isinf([t.optimality_gap for t in found.trials]).any()


@dataclass
class Scripted:
    """Stands for runs whose instances reach the tolerance when it is written."""

    reach: list[list[int]]
    rounds: int = 1
    iteration: int = 0

    def __post_init__(self) -> None:
        self.shape = len(self.reach), len(self.reach[0])
        self.active = list(range(len(self.reach)))

    def advance(self, iteration: int) -> None:
        self.iteration = iteration

    def measure(self) -> tuple[np.ndarray, np.ndarray]:
        done = np.array([self.reach[k] for k in self.active]) <= self.iteration
        return np.where(done, 1e-5, 1.0), np.zeros(done.shape, dtype=bool)

    def select(self, active: list[int]) -> None:
        self.active = active


def test_a_median_of_two_instances_can_be_overtaken() -> None:
    runs: Any = Scripted([[50, 50], [10, 60], [200, 200]])
    reached, _ = tuning_race.find_first(runs, 1000, 1e-4)
    assert reached.tolist() == [50, 35, np.inf]
    assert runs.iteration == 60
    runs = Scripted([[50, 50], [30, 90], [200, 200]])  # the second is at 60 in the end; from 70 it cannot be below 50
    tuning_race.find_first(runs, 1000, 1e-4)
    assert runs.iteration == 70


def test_a_setting_with_more_rounds_an_iteration_gets_fewer_iterations() -> None:
    taken = []

    class Spy(Gossip):
        def step(self, problem: Problem, network: Network, state: ProxEDState) -> ProxEDState:
            taken.append(self.mixings)
            return super().step(problem, network, state)

    race = tuning_race.Race(Spy, instance(), 1000, 1e-4, torch.float64)
    race.run([{"step_size": 1e-3, "mixings": m} for m in (1, 2)], limit=20)
    assert (taken.count(1), taken.count(2)) == (20, 10)


class Timid(ProxED):
    name = "timid"
    grid = {"step_size": Range(1e-3, 1e-2, unit="1/L")}  # noqa: RUF012


class Reckless(ProxED):
    name = "reckless"
    grid = {"step_size": Range(50.0, 500.0, unit="1/L")}  # noqa: RUF012


class Shut(ProxED):
    name = "shut"
    grid = {"step_size": Range(1e-3, 1e-2, unit="1/L", open=False)}  # noqa: RUF012


def test_the_grid_is_widened_where_the_best_is_at_its_edge() -> None:
    on = [instance()]
    larger = tune(Timid, on, iterations=30, budget=12)
    assert larger.setting["step_size"] > 1e-2
    assert larger.warnings[0].startswith("timid: the best step_size, 0.01, is the largest one tried")
    smaller = tune(Reckless, on, iterations=30, budget=12)
    assert smaller.setting["step_size"] < 50
    assert "is the smallest one tried" in smaller.warnings[0]
    shut = tune(Shut, on, iterations=30, budget=12)
    assert shut.setting["step_size"] == pytest.approx(1e-2)
    assert shut.warnings == []


def test_tuning_leaves_no_history() -> None:
    class Watched(ProxED):
        def step(self, problem: Problem, network: Network, state: ProxEDState) -> ProxEDState:
            assert not torch.is_grad_enabled()
            return super().step(problem, network, state)

    tune(Watched, [instance()], iterations=5, budget=3)


@dataclass(frozen=True, eq=False)
class AgingState(ProxEDState):
    age: Tensor  # (N, 1)


@dataclass(frozen=True, eq=False)
class Aging(ProxED):
    """Exact diffusion that, with steps above 1/(2L), leaves the solution at iteration 200 and diverges at 400."""

    name = "aging"

    def init(self, problem: Problem, network: Network, x0: Tensor) -> AgingState:
        return AgingState(x0, x0, x0, x0.new_zeros(x0.size(0), 1))

    def step(self, problem: Problem, network: Network, state: ProxEDState) -> AgingState:
        assert isinstance(state, AgingState)
        new, age = super().step(problem, network, state), state.age + 1
        bold = torch.as_tensor(self.step_size) * problem.smoothness().max() > 0.5
        shift = 10.0 * (bold & (age > 200)) + 1e9 * (bold & (age > 400))
        return AgingState(new.x + shift, new.z, new.psi, age)


@pytest.mark.parametrize(("horizon", "stable"), [(190, True), (300, False), (500, False)])
def test_a_setting_that_does_not_keep_the_tolerance_is_passed_over(horizon: int, stable: bool) -> None:
    settings = [{"step_size": s} for s in (0.05, 0.2, 0.4, 0.8)]
    race = tuning_race.Race(Aging, instance(), horizon, 1e-4, torch.float64)
    trials = race.run(settings)
    assert min(trials, key=lambda t: t.rounds).setting == {"step_size": 0.8}
    found = settle(race, trials, [])
    assert found.setting == {"step_size": 0.8 if stable else 0.4}
    assert [t.unstable for t in found.trials] == [False, False, False, not stable]
    assert found.warnings == [] if stable else ["aging: step_size 0.8 was faster, but not stable"]
    chosen = next(t for t in found.trials if t.setting == found.setting)
    assert np.isfinite(chosen.rounds)


def test_where_no_setting_is_stable_the_fastest_is_taken_and_said_so() -> None:
    race = tuning_race.Race(Aging, instance(), 300, 1e-4, torch.float64)
    found = settle(race, race.run([{"step_size": s} for s in (0.6, 0.8)]), [])
    assert found.setting == {"step_size": 0.8}
    assert found.warnings == ["aging: no setting tried is stable to the horizon"]


@dataclass(frozen=True, eq=False)
class Inertial(ProxED):
    name = "inertial"
    grid = {  # noqa: RUF012
        "step_size": Range(0.1, 6.4, points=4, unit="1/L"),
        "momentum": Range(0.5, 0.9, spacing="log_from_one", points=1, below=1.0),
    }

    momentum: float | Tensor = 0.5


def test_each_parameter_is_refined_in_turn() -> None:
    found = tune(Inertial, [instance()], iterations=150, budget=12)
    coarse, refined = found.trials[:4], found.trials[4:]
    assert len(coarse) == 4
    middle = 1 - (0.5 * 0.1) ** 0.5
    assert [t.setting["momentum"] for t in coarse] == pytest.approx([middle] * 4)
    steps, momenta = refined[:2], refined[2:]
    assert [t.setting["momentum"] for t in steps] == pytest.approx([middle] * 2)
    assert sorted(t.setting["momentum"] for t in momenta) == pytest.approx([0.5, 0.9])


def test_ranges_of_momentum_are_spaced_in_their_distance_from_one() -> None:
    axis = Range(0.9, 0.99, spacing="log_from_one", below=1.0)
    assert axis.values(3) == pytest.approx([0.9, 1 - 0.1 * 10**-0.5, 0.99])
    assert axis.values(1) == pytest.approx([1 - 0.1 * 10**-0.5])
    assert axis.beyond([0.9, 0.99], upwards=True) == pytest.approx([0.999])
    assert Range(0.5, 0.9, spacing="linear", below=1.0).beyond([0.5, 0.9], upwards=True) == []


# --- the cache


def test_what_was_tuned_is_recalled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GNN_L2O_CACHE", str(tmp_path))
    calls = []

    def counted(*args: Any, **kwargs: Any) -> Tuning:
        calls.append(args)
        return tune(*args, **kwargs)

    monkeypatch.setattr(tuning_cache, "tune", counted)
    on = [instance(0), instance(1)]
    first = tune_or_recall(ProxED, on, iterations=60, budget=6)
    assert tune_or_recall(ProxED, [instance(0), instance(1)], iterations=60, budget=6) == first
    assert len(calls) == 1
    assert np.isinf([t.rounds for t in first.trials]).any()  # also what JSON cannot hold came back

    tune_or_recall(ProxED, on, iterations=61, budget=6)
    tune_or_recall(ProxED, on, iterations=60, budget=5)
    tune_or_recall(ProxDGD, on, iterations=60, budget=6)
    tune_or_recall(ProxED, on[:1], iterations=60, budget=6)
    tune_or_recall(ProxED, [instance(0), instance(2)], iterations=60, budget=6)
    tune_or_recall(ProxED, on, iterations=60, budget=6, dtype=torch.float32)
    heavier = [replace(i, network=Network.from_networkx(nx.path_graph(5))) for i in on]
    tune_or_recall(ProxED, heavier, iterations=60, budget=6)
    assert len(calls) == 8


METHOD = """
from gnn_l2o.handcrafted import ProxED

class Mine(ProxED):
    name = "mine"

    def step(self, problem, network, state):
        return super().step(problem, network, state)
"""


def test_a_changed_method_is_tuned_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GNN_L2O_CACHE", str(tmp_path / "cache"))
    file, on = tmp_path / "mine.py", [instance()]

    def choose(text: str) -> dict[str, float]:
        file.write_text(text)
        return tune_or_recall(METHODS[str(file)], on, iterations=60, budget=6).setting

    calls = []

    def counted(*args: Any, **kwargs: Any) -> Tuning:
        calls.append(args)
        return tune(*args, **kwargs)

    monkeypatch.setattr(tuning_cache, "tune", counted)
    first = choose(METHOD)
    assert choose(METHOD.replace("class", "# A comment changes nothing.\nclass")) == first
    assert len(calls) == 1
    slower = METHOD.replace("return super().step", "self = type(self)(self.step_size / 8)\n        return super().step")
    assert choose(slower)["step_size"] > 2 * first["step_size"]


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        *(("prox_ed.py", True), ("tuning_race.py", True), ("driver.py", True), ("least_squares.py", True)),
        *(("figures.py", False), ("plan.py", False), ("milodo.py", False), ("nids.py", False)),
    ],
)
def test_only_code_that_tuning_runs_counts(file: str, counts: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    before, read = tuning_cache._code_of(ProxED, instance().problem), Path.read_text

    def changed(path: Path, **options: Any) -> str:
        return read(path, **options) + ("\nCHANGED = True\n" if path.name == file else "")

    monkeypatch.setattr(Path, "read_text", changed)
    assert (tuning_cache._code_of(ProxED, instance().problem) != before) == counts


def test_a_damaged_cache_is_computed_again_with_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GNN_L2O_CACHE", str(tmp_path))
    first = tune_or_recall(ProxED, [instance()], iterations=20, budget=3)
    (file,) = tmp_path.rglob("*.json")
    file.write_text("{")
    with pytest.warns(UserWarning, match="cannot be read and is computed again"):
        assert tune_or_recall(ProxED, [instance()], iterations=20, budget=3) == first
    assert tune_or_recall(ProxED, [instance()], iterations=20, budget=3) == first


def test_a_cache_that_cannot_be_written_is_said_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GNN_L2O_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning) as caught:
        tune_or_recall(ProxED, [instance()], iterations=20, budget=3)
    assert "tuning cannot be stored" in str(caught[-1].message)


def test_a_small_budget_takes_values_from_the_longest_range() -> None:
    class Wide(ProxED):
        grid = {  # noqa: RUF012
            "step_size": Range(0.1, 10, points=4, unit="1/L"),
            "momentum": Range(0.5, 0.9, points=2),
            "mixings": Choice((1, 3)),
        }

    assert len(Wide.settings(16)) == 16
    assert len(Wide.settings(8)) == 8
    assert sorted({s["step_size"] for s in Wide.settings(8)}) == pytest.approx([0.1, 10])
    assert len(Wide.settings(2)) == 2
    assert len(Wide.settings(1)) == 2  # choices are never given up
