"""Tuning: which setting is chosen, and how the grid is refined and widened."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from gnn_l2o.algorithms.tunable import Choice, Range
from gnn_l2o.evaluation import tune, tuning as tuning_module
from gnn_l2o.evaluation.tuning_check import Grade, Verdict
from gnn_l2o.evaluation.tuning_race import Trial
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import ProxED
from gnn_l2o.handcrafted.prox_ed import ProxEDState
from gnn_l2o.problems import Problem
from tests.evaluation.small_instances import instance, traced
from tests.evaluation.small_tuning import INF, trial


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
