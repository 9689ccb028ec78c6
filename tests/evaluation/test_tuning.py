"""Tuning: what is tried, what is chosen, what is kept on disk."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import Algorithm, Cost
from gnn_l2o.algorithms.registry import METHODS
from gnn_l2o.algorithms.tunable import Choice, Range, Tunable
from gnn_l2o.evaluation import (
    Instance,
    Metrics,
    Plan,
    Trace,
    measure,
    tune,
    tuning as tuning_module,
    tuning_cache,
    tuning_race,
)
from gnn_l2o.evaluation.cases import PlannedCase, plan_cases
from gnn_l2o.evaluation.metrics import OptimalityGap
from gnn_l2o.evaluation.record import Case
from gnn_l2o.evaluation.seeds import Purpose, draws
from gnn_l2o.evaluation.tuning import Tuning
from gnn_l2o.evaluation.tuning_cache import tune_or_recall
from gnn_l2o.evaluation.tuning_check import Check, Grade, Verdict
from gnn_l2o.evaluation.tuning_race import Trial
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import ProxDGD, ProxED
from gnn_l2o.handcrafted.prox_ed import ProxEDState
from gnn_l2o.problems import LeastSquares, Problem, solve
from gnn_l2o.problems.regularizers import L1


def instance(seed: int = 0, *, graph: nx.Graph = nx.cycle_graph(5), uneven: float = 1.0) -> Instance:  # noqa: B008
    random = np.random.default_rng(seed)
    nodes = len(graph)
    features = random.standard_normal((nodes, 6, 4))
    features[0] *= uneven
    targets = features @ random.standard_normal(4) + random.standard_normal((nodes, 6))
    problem = LeastSquares.from_nodes(list(features), list(targets), L1(0.1))
    solution = solve(problem)
    return Instance(problem, Network.from_networkx(graph), solution.x, solution.value)


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


def run_alone(
    method: type[Tunable[Any]], setting: dict[str, float], on: list[Instance], iterations: int, tolerance: float = 1e-4
) -> list[float]:
    """Return the rounds to the tolerance on every instance, each run by itself and to the end."""
    needed = []
    for part in on:
        trace = traced(method.from_setting(part.problem, setting), part, iterations)
        reached = trace.reached(tolerance)
        needed.append(np.inf if reached is None else trace.spent[reached].rounds)
    return needed


def run_race(method: type[Tunable[Any]], settings: list[dict[str, float]], on: list[Instance], **given: Any) -> Any:
    race = tuning_race.Race(method, Instance.concatenate(on), given.pop("iterations", 400), 1e-4, torch.float64)
    return race.run(settings, **given)


@pytest.mark.parametrize("method", [ProxDGD, ProxED, Gossip], ids=["prox_dgd", "prox_ed", "gossip"])
def test_a_race_counts_the_rounds_of_runs_alone(method: type[Tunable[Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    on = [instance(k) for k in range(3)]
    settings = method.settings(8)
    alone = [run_alone(method, s, on, 200) for s in settings]
    scores = [float(np.mean(np.log(r))) for r in alone]
    for cached in (1, 2**16):  # one by one, and side by side
        monkeypatch.setattr(tuning_race, "CACHED", cached)
        trials = run_race(method, settings, on, iterations=200)
        assert [t.setting for t in trials] == settings
        for trial, rounds, score in zip(trials, alone, scores, strict=True):
            if trial.arrives:
                assert list(trial.rounds) == rounds
            elif trial.stopped:  # only what is certain to be slow
                assert score > min(scores) + np.log(tuning_race.SLACK)
            else:
                assert np.isinf(rounds).any()
        assert min(t.score for t in trials) == pytest.approx(min(scores))


class Counting(ProxED):
    """Counts its steps and notes how many rows they work on."""

    rows: list[int] = []  # noqa: RUF012

    def step(self, problem: Problem, network: Network, state: ProxEDState) -> ProxEDState:
        self.rows.append(len(state.x))
        return super().step(problem, network, state)


def test_a_race_ends_soon_after_the_fastest_and_drops_what_diverged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counting, "rows", [])
    trials = run_race(Counting, Counting.settings(8), [instance(k) for k in range(3)], iterations=500)
    fastest = np.exp(min(t.score for t in trials))
    assert len(Counting.rows) <= 1.5 * fastest < 500
    assert Counting.rows[0] == 8 * 15
    assert Counting.rows[int(fastest) - 1] <= 6 * 15  # the largest of eight log-spaced steps are gone
    assert any(t.diverges for t in trials) and any(t.stopped for t in trials)


def test_earlier_trials_limit_a_race(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counting, "rows", [])
    (trial,) = run_race(Counting, [{"step_size": 1e-3}], [instance()], best=np.log(20.0))
    assert trial.stopped
    assert len(Counting.rows) == 25  # at 25 rounds, the next is more than a quarter above 20


def test_a_run_that_has_converged_does_not_go_on_to_the_horizon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counting, "rows", [])
    on = instance()
    check = Check(Counting, on, 5000, 1e-4, torch.float64, 1.1, approximate=False)
    (verdict,) = check.run([{"step_size": 1.0}])
    assert verdict.grade is Grade.CONVERGES
    converged = run_alone(ProxED, {"step_size": 1.0}, [on], 5000, 1e-6)[0]
    larger = run_alone(ProxED, {"step_size": 1.1}, [on], 5000, 1e-6)[0]
    slower = max(converged, larger)
    assert slower + max(50, slower / 4) - 1 <= len(Counting.rows) <= slower + max(50, slower / 4) + 2
    monkeypatch.setattr(Counting, "rows", [])
    Check(Counting, on, 600, 1e-4, torch.float64, 1.1, approximate=True).run([{"step_size": 1.0}])
    assert len(Counting.rows) == 600


# --- the choice


def trial(step: float, rounds: list[float], gap: list[float] | None = None, *, stopped: bool = False) -> Trial:
    gaps = [1e-5 if np.isfinite(r) else 1e-2 for r in rounds] if gap is None else gap
    return Trial({"step_size": step}, tuple(rounds), tuple(gaps), stopped)


INF = float("inf")


def test_trials_are_sorted_by_their_mean_logarithm_and_those_that_miss_an_instance_come_last() -> None:
    ordered = [
        trial(1, [100, 100, 400]),  # the median of the next is smaller, its mean logarithm larger
        trial(2, [90, 90, 1000]),
        trial(3, [1000, 1000, 1000]),
        trial(4, [10, 10, INF]),
        trial(5, [10, INF, INF], [1e-6, 1e-3, 1e-3]),
        trial(6, [10, INF, INF], [1e-6, 1e-3, 1e-2]),
        trial(7, [10, 10, INF], [1e-5, 1e-5, INF]),  # diverged
    ]
    assert sorted(reversed(ordered), key=lambda t: t.key) == ordered


class ScriptedRace:
    """Stands for a race whose outcome is known."""

    method = ProxED

    def __init__(self, trials: list[Trial]) -> None:
        self.trials = {t.values: t for t in trials}

    def run(self, settings: list[dict[str, float]], best: float) -> list[Trial]:
        return [self.trials[tuple(s.values())] for s in settings]


class ScriptedCheck:
    """Stands for a check whose outcome is known; notes what was checked."""

    def __init__(self, grades: dict[float, Grade], within: dict[float, float] | None = None) -> None:
        self.grades, self.within, self.seen = grades, within or {}, []  # type: ignore[var-annotated]

    def run(self, settings: list[dict[str, float]]) -> list[Verdict]:
        self.seen += [s["step_size"] for s in settings]
        return [Verdict(self.grades[s], self.within.get(s, 0.5)) for s in (t["step_size"] for t in settings)]


def settled(trials: list[Trial], check: ScriptedCheck, later: list[Trial] = []) -> tuple[float, list[str]]:  # noqa: B006
    race: Any = ScriptedRace([*trials, *later])
    ladder = tuning_module.Ladder(race, check)  # type: ignore[arg-type]
    ladder.trials = list(trials)
    best = ladder.settle()
    return best.setting["step_size"], ladder.explain(best)


def test_the_first_that_converges_is_chosen() -> None:
    trials = [trial(k, [100 * k]) for k in range(1, 9)]
    check = ScriptedCheck({1: Grade.CONVERGES})
    assert settled(trials, check) == (1, [])
    assert check.seen == [1]
    grades = dict.fromkeys(range(1, 9), Grade.CONVERGES)
    found, said = settled(trials, ScriptedCheck({**grades, 1: Grade.DIVERGES, 2: Grade.MISSES, 3: Grade.STAYS}))
    assert found == 4
    assert said == ["prox_ed: step_size 1 was faster, but some runs diverge"]


def test_where_none_converges_the_first_that_stays_is_chosen_and_said_so() -> None:
    trials = [trial(k, [100 * k]) for k in range(1, 9)]
    check = ScriptedCheck({**dict.fromkeys(range(1, 9), Grade.STAYS), 1: Grade.MISSES})
    found, said = settled(trials, check)
    assert found == 2
    assert "step_size 2, some runs do not converge to a hundredth of the tolerance" in said[1]
    assert max(check.seen) < 8  # the horizon is too short for all; that is clear after a few


def test_where_none_stays_the_one_with_the_most_runs_within_the_tolerance_is_chosen() -> None:
    trials = [trial(k, [100 * k]) for k in range(1, 4)]
    check = ScriptedCheck({1: Grade.DIVERGES, 2: Grade.MISSES, 3: Grade.MISSES}, {2: 0.5, 3: 0.75})
    assert settled([*trials, trial(9, [INF])], check)[0] == 3
    assert 9 not in check.seen  # it misses an instance that others reach


def test_settings_that_were_stopped_run_again_where_all_others_fail() -> None:
    trials = [trial(1, [100]), trial(2, [INF], stopped=True)]
    check = ScriptedCheck({1: Grade.DIVERGES, 2: Grade.CONVERGES})
    race: Any = ScriptedRace([trial(2, [500])])
    ladder = tuning_module.Ladder(race, check)  # type: ignore[arg-type]
    ladder.trials = trials
    assert ladder.settle().setting == {"step_size": 2}


def test_where_none_arrives_the_best_that_does_not_diverge_is_chosen() -> None:
    trials = [trial(1, [INF, 50]), trial(2, [INF, INF]), trial(3, [50, 50], [INF, 1e-5])]
    check = ScriptedCheck({1: Grade.DIVERGES, 2: Grade.MISSES})
    found, said = settled([trials[0], trials[1]], check)
    assert found == 2
    assert "do not end within the tolerance" in said[-1]


def test_where_all_that_arrive_diverge_a_slower_one_that_does_not_is_chosen() -> None:
    check = ScriptedCheck({1: Grade.DIVERGES, 8: Grade.DIVERGES, 9: Grade.MISSES})
    found, said = settled([trial(1, [100]), trial(8, [INF], [1e-3]), trial(9, [INF], [1e-2])], check)
    assert found == 9
    assert said[0] == "prox_ed: step_size 1 was faster, but some runs diverge"


def test_the_last_third_of_the_budget_refines_the_best_step_that_converges() -> None:
    found = tune(ProxED, [instance()], iterations=600, budget=12)
    coarse, fine = found.trials[:8], found.trials[8:]
    steps = [t.setting["step_size"] for t in coarse]
    best = min((k for k in range(8) if not coarse[k].diverges), key=lambda k: coarse[k].key)
    assert len(fine) == 4
    assert all(steps[best - 1] < t.setting["step_size"] < steps[best + 1] for t in fine)


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
    assert not any("widened" in warning for warning in shut.warnings)


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


@pytest.mark.parametrize(
    ("horizon", "margin", "expected"),
    [
        (190, 1.0, [Grade.CONVERGES, Grade.CONVERGES]),
        (300, 1.0, [Grade.CONVERGES, Grade.MISSES]),
        (500, 1.0, [Grade.CONVERGES, Grade.DIVERGES]),
        (500, 1.1, [Grade.CONVERGES, Grade.DIVERGES]),
        (500, 1.3, [Grade.DIVERGES, Grade.DIVERGES]),  # 0.4 / L enlarged is above 0.5 / L
    ],
)
def test_a_check_grades_what_settings_do_to_the_horizon(horizon: int, margin: float, expected: list[Grade]) -> None:
    check = Check(Aging, instance(), horizon, 1e-4, torch.float64, margin, approximate=True)
    assert [v.grade for v in check.run([{"step_size": s} for s in (0.4, 0.8)])] == expected


def test_only_exact_methods_have_to_reach_a_hundredth_of_the_tolerance() -> None:
    on = instance()
    arrival = int(run_alone(ProxED, {"step_size": 0.4}, [on], 400)[0])
    check = Check(ProxED, on, arrival, 1e-4, torch.float64, 1.0, approximate=False)
    assert check.run([{"step_size": 0.4}])[0].grade is Grade.STAYS
    assert replace(check, approximate=True).run([{"step_size": 0.4}])[0].grade is Grade.CONVERGES
    assert replace(check, iterations=arrival - 1).run([{"step_size": 0.4}])[0].grade is Grade.MISSES
    assert (check.bound, replace(check, tolerance=1e-11).bound, replace(check, tolerance=1e-13).bound) == (
        pytest.approx(1e-6),
        1e-12,
        1e-13,
    )


@dataclass(frozen=True, eq=False)
class Brittle(ProxED):
    """Exact diffusion that diverges from iteration 100 where the step exceeds 0.8 over the mean of the L_i."""

    name = "brittle"

    def init(self, problem: Problem, network: Network, x0: Tensor) -> AgingState:
        return AgingState(x0, x0, x0, x0.new_zeros(x0.size(0), 1))

    def step(self, problem: Problem, network: Network, state: ProxEDState) -> AgingState:
        assert isinstance(state, AgingState)
        new, age = super().step(problem, network, state), state.age + 1
        bold = self.step_size * problem.spread(problem.average(problem.smoothness())) > 0.8
        return AgingState(new.x + 1e9 * (bold & (age > 100)), new.z, new.psi, age)


def test_a_setting_at_the_edge_of_stability_is_not_chosen() -> None:
    """Where one node has most of the curvature, larger steps in units of 1/L are stable than where all are alike."""
    uneven, even = [instance(k, uneven=3.0) for k in range(2)], [instance(k) for k in range(2, 4)]

    def final(setting: dict[str, float], on: list[Instance]) -> list[float]:
        traces = [traced(Brittle.from_setting(i.problem, setting), i, 300) for i in on]
        return [INF if t.diverged else t.optimality_gap[-1] for t in traces]

    greedy = tune(Brittle, uneven, iterations=300, margin=1.0, budget=12)
    assert max(final(greedy.setting, uneven)) < 1e-6
    assert max(final(greedy.setting, even)) == INF
    careful = tune(Brittle, uneven, iterations=300, margin=1.0, budget=12, stability=even)
    assert max(final(careful.setting, [*uneven, *even])) < 1e-6
    assert "was faster, but some runs diverge" in careful.warnings[-1]


def test_steps_have_a_margin_of_stability() -> None:
    on = [instance(k) for k in range(2)]
    cautious = tune(ProxED, on, iterations=600, margin=1.3, budget=12).setting
    for part in on:
        larger = ProxED.from_setting(part.problem, ProxED.enlarge(cautious, 1.3))
        assert traced(larger, part, 600).optimality_gap[-1] < 1e-4
    eager = tune(ProxED, on, iterations=600, margin=1.0, budget=12).setting
    assert eager["step_size"] > cautious["step_size"]
    assert any(traced(ProxED.from_setting(i.problem, ProxED.enlarge(eager, 1.3)), i, 600).diverged for i in on)


def test_only_steps_are_enlarged() -> None:
    class Many(ProxED):
        grid = {  # noqa: RUF012
            "step_size": Range(0.1, 10),
            "tau": Range(0.1, 10, unit="1/L"),
            "penalty": Range(0.1, 10, unit="L"),
            "step_factor": Range(0.1, 1.0, below=1.05),
            "mixings": Choice((1, 3)),
        }

    setting = {"step_size": 1.0, "tau": 2.0, "penalty": 3.0, "step_factor": 1.0, "mixings": 3.0}
    assert Many.enlarge(setting, 1.1) == pytest.approx({**setting, "step_size": 1.1, "tau": 2.2})


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
    assert np.isinf([t.optimality_gap for t in first.trials]).any()  # also what JSON cannot hold came back

    tune_or_recall(ProxED, on, iterations=61, budget=6)
    tune_or_recall(ProxED, on, iterations=60, budget=5)
    tune_or_recall(ProxDGD, on, iterations=60, budget=6)
    tune_or_recall(ProxED, on[:1], iterations=60, budget=6)
    tune_or_recall(ProxED, [instance(0), instance(2)], iterations=60, budget=6)
    tune_or_recall(ProxED, on, iterations=60, budget=6, dtype=torch.float32)
    heavier = [replace(i, network=Network.from_networkx(nx.path_graph(5))) for i in on]
    tune_or_recall(ProxED, heavier, iterations=60, budget=6)
    tune_or_recall(ProxED, on, iterations=60, budget=6, stability=[instance(3)])
    tune_or_recall(ProxED, on, iterations=60, budget=6, margin=1.2)
    tune_or_recall(ProxED, on, iterations=60, budget=6, tolerance=1e-3)
    assert len(calls) == 11


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
        *(
            ("prox_ed.py", True),
            ("tuning_race.py", True),
            ("tuning_check.py", True),
            ("driver.py", True),
            ("least_squares.py", True),
        ),
        *(("figures.py", False), ("plan.py", False), ("milodo.py", False), ("nids.py", False)),
    ],
)
def test_only_code_that_tuning_runs_counts(file: str, counts: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    before, read = tuning_cache._code_of(ProxED, instance().problem), Path.read_text

    def changed(path: Path, **options: Any) -> str:
        return read(path, **options) + ("\nCHANGED = True\n" if path.name == file else "")

    monkeypatch.setattr(Path, "read_text", changed)
    assert (tuning_cache._code_of(ProxED, instance().problem) != before) == counts


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[" * 10_000,
        "[]",
        '{"setting": {"pace": 1.0}, "trials": [], "warnings": []}',
        '{"setting": {"step_size": 1.0}, "trials": [], "warnings": []}',
        '{"setting": {"step_size": "1"}, "trials": [1], "warnings": []}',
        '{"setting": 3, "trials": [], "warnings": []}',
    ],
)
def test_a_damaged_cache_is_computed_again_with_a_warning(
    text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GNN_L2O_CACHE", str(tmp_path))
    first = tune_or_recall(ProxED, [instance()], iterations=20, budget=3)
    (file,) = tmp_path.rglob("*.json")
    file.write_text(text)
    with pytest.warns(UserWarning, match="holds no tuning of prox_ed and is computed again"):
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


# --- the instances


def test_every_purpose_case_and_instance_has_a_seed_of_its_own() -> None:
    cases = [Case("lasso", t, n) for t in ("ring", "star") for n in (10, 50)] + [Case("linear", "ring", 10)]
    purposes: list[Purpose] = ["evaluation", "tuning", "stability"]
    found = [s for p in purposes for r in (0, 1) for c in cases for k in range(20) for s in draws(p, r, c, k)]
    assert len(set(found)) == len(found)
    assert all(2**31 <= s < 2**32 for s in found)
    limits = {p: [draw for c in cases for draw in draws(p, 0, c, 999)] for p in purposes}
    assert max(limits["evaluation"]) < min(limits["tuning"]) < max(limits["tuning"]) < min(limits["stability"])
    assert next(draws("evaluation", 0, Case("lasso", "ring", 10), 0)) == 2240668653  # the same in every process


def planned(**settings: Any) -> PlannedCase:
    given: dict[str, Any] = {"datasets": ["lasso:features=6,samples=4"], "nodes": [4], "algorithms": ["prox_ed"]}
    (case,) = plan_cases(Plan(**{**given, **settings}))
    return case


def test_random_topologies_have_more_tuning_instances() -> None:
    ring, random = planned(), planned(topologies=["erdos_renyi:p=0.6"], nodes=[6])
    assert (len(ring.tuning_instances()), len(ring.stability_instances())) == (3, 3)
    assert (len(random.tuning_instances()), len(random.stability_instances())) == (5, 5)
    few = planned(tuning_instances=2)
    assert (len(few.tuning_instances()), len(few.stability_instances())) == (2, 2)


def test_an_oracle_tunes_on_the_evaluated_instances() -> None:
    case = planned(tuning="oracle", instances=4)
    for number, tuned in enumerate(case.tuning_instances()):
        torch.testing.assert_close(tuned.solution, case.instance(number).solution)
    assert (len(case.tuning_instances()), case.stability_instances()) == (4, [])
    with pytest.raises(InputError, match="tuning"):
        Plan(algorithms=["prox_ed"], tuning="orakel")


def test_an_instance_whose_optimum_is_the_start_is_drawn_again() -> None:
    with pytest.raises(InputError, match="optimal in 10 of 10 draws"):
        planned(datasets=["lasso:features=6,samples=4,l1_weight=50.0"])
    case = planned(datasets=["lasso:features=3,samples=2,l1_weight=1.0"], instances=6)
    found = [case.instance(k) for k in range(6)]
    assert not any(i.is_trivial for i in found)
    assert case.redrawn
    (purpose, number), count = next(iter(case.redrawn.items()))
    seeds = list(draws(purpose, 0, case.case, number))
    assert all(case._make(seed).is_trivial for seed in seeds[:count])
    torch.testing.assert_close(case._make(seeds[count]).solution, found[number].solution)
