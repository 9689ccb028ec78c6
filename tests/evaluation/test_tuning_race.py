"""The race of the settings: what it counts, when it ends, and how trials are sorted."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.algorithms.tunable import Choice, Range, Tunable
from gnn_l2o.evaluation import Instance, tuning_race
from gnn_l2o.evaluation.tuning_check import Check, Grade
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import ProxDGD, ProxED
from gnn_l2o.handcrafted.prox_ed import ProxEDState
from gnn_l2o.problems import Problem
from tests.evaluation.small_instances import instance
from tests.evaluation.small_tuning import INF, run_alone, trial


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
        for raced, rounds, score in zip(trials, alone, scores, strict=True):
            if raced.arrives:
                assert list(raced.rounds) == rounds
            elif raced.stopped:  # only what is certain to be slow
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
