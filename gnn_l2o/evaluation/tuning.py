"""Chooses the parameters of a method: the same budget for each, on problems that are not evaluated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import torch

from gnn_l2o.algorithms.tunable import Method, Setting
from gnn_l2o.evaluation.instances import Instance
from gnn_l2o.evaluation.tuning_check import MARGIN, Check, Grade, Verdict
from gnn_l2o.evaluation.tuning_grid import refine, shares, widen
from gnn_l2o.evaluation.tuning_race import Race, Trial
from gnn_l2o.problems import Stochastic

BUDGET = 24
TOLERANCE = 1e-4
WIDENINGS = 3
TOGETHER = 4  # settings that are checked side by side once the first has failed
PATIENCE = 2  # settings that stay without converging until the horizon is taken to be too short for any

REASONS = {
    Grade.STAYS: "some runs do not converge to a hundredth of the tolerance within the horizon",
    Grade.MISSES: "some runs do not end within the tolerance",
    Grade.DIVERGES: "some runs diverge",
}
"""What is said of a setting of each grade but the best; runs are those of the check, with larger steps included."""


@dataclass(frozen=True)
class Tuning:
    """What was tried and what was chosen.

    Attributes:
        setting: the choice.
        trials: all that were tried, in the order in which they were.
        warnings: where the best setting lay at the edge of the grid, so that it had to be widened; where a faster one
            was not stable; where none converged.
    """

    setting: Setting
    trials: list[Trial]
    warnings: list[str]

    def to_json(self) -> dict[str, Any]:
        """Return the content as JSON can hold it; numbers that are not finite become ``None``."""
        trials = [
            {**asdict(t), "rounds": _finite(t.rounds), "optimality_gap": _finite(t.optimality_gap)} for t in self.trials
        ]
        return {"setting": self.setting, "trials": trials, "warnings": self.warnings}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Return the tuning whose :meth:`to_json` this is."""
        trials = [
            Trial(t["setting"], _restored(t["rounds"]), _restored(t["optimality_gap"]), t["stopped"])
            for t in content["trials"]
        ]
        return cls(content["setting"], trials, content["warnings"])


@torch.no_grad()
def tune(
    method: Method,
    instances: Sequence[Instance],
    *,
    iterations: int,
    stability: Sequence[Instance] = (),
    margin: float = MARGIN,
    budget: int = BUDGET,
    tolerance: float = TOLERANCE,
    dtype: torch.dtype = torch.float64,
    measure: str = "average",
) -> Tuning:
    """Return the setting that reaches the tolerance in the fewest rounds among those that converge.

    Settings are compared by the mean logarithm of the rounds over the instances; one that misses an instance does not
    count where another reaches all. Two thirds of the budget cover the declared grid; where its best value lies at an
    open end of a range, the grid is widened there, up to three times. The last third are values between the neighbours
    of the best setting that converges, one parameter after the other. Settings run side by side (:class:`.Race`).

    In the order of their score, settings then run to the horizon, on the instances and on those for stability, as they
    are and with larger steps (:class:`.Check`). The first that converges is chosen. Where none does, it is the best by
    what the check found (:class:`.Grade`), then by the number of runs that end within the tolerance, then by the score;
    a warning says so.

    Args:
        method: the method.
        instances: of the distribution and the kind of network that is evaluated.
        iterations: the horizon.
        stability: more of them, on which the setting has to converge, however fast.
        margin: the factor of the steps with which the setting has to reach the tolerance as well; 1 for none.
        budget: how many settings are tried, not counting those that widen the grid.
        tolerance: the relative optimality gap.
        dtype: precision of the runs.
        measure: the optimality gap, one of :data:`~gnn_l2o.evaluation.metrics.MEASURES`.
    """
    ladder = Ladder(
        Race(method, Instance.concatenate(instances), iterations, tolerance, dtype, measure),
        Check(
            method,
            Instance.concatenate([*instances, *stability]),
            iterations,
            tolerance,
            dtype,
            margin,
            approximate=not method.exact or isinstance(instances[0].problem, Stochastic),
            measure=measure,
        ),
    )
    ladder.try_all(method.settings(budget - budget // 3))
    warnings: list[str] = []
    for _ in range(WIDENINGS):
        more, warning = widen(method, [t.setting for t in ladder.trials], ladder.fastest.setting)
        if not more:
            break
        warnings.append(warning)
        ladder.try_all(more)
    for name, points in shares(method, budget // 3).items():
        best = ladder.settle()
        ladder.try_all(refine(method, name, [t.setting for t in ladder.trials], best.setting, points))
    best = ladder.settle()
    return Tuning(best.setting, ladder.trials, [*warnings, *ladder.explain(best)])


class Ladder:
    """Trials of a method, and the verdicts on those that were checked."""

    def __init__(self, race: Race, check: Check) -> None:
        self._race, self._check = race, check
        self.trials: list[Trial] = []
        self._verdicts: dict[tuple[float, ...], Verdict] = {}

    @property
    def fastest(self) -> Trial:
        """The best trial, whether it converges or not."""
        return min(self.trials, key=lambda t: t.key)

    def try_all(self, settings: Sequence[Setting]) -> None:
        """Add the trials of settings, as far as it takes to compare them with the best that may be chosen."""
        best = min((t.score for t in self.trials if not self._fails(t)), default=np.inf)
        self.trials += self._race.run(settings, best)

    def settle(self) -> Trial:
        """Check the trials in their order until one is as good as any can be; return that, or the best of all."""
        while True:
            arrived = [t for t in self.trials if t.arrives]
            goal = Grade.CONVERGES if arrived else Grade.MISSES
            ranked = sorted(arrived or self.trials, key=lambda t: t.key)
            staying = 0
            for position, trial in enumerate(ranked):
                if trial.values not in self._verdicts:
                    self._judge(ranked[position : position + (TOGETHER if position else 1)])
                if self._grade(trial) <= goal:
                    return trial
                staying += self._grade(trial) == Grade.STAYS
                if staying == PATIENCE:
                    ranked = ranked[: position + 1]
                    break
            stopped = [t for t in self.trials if t.stopped]
            if not stopped or not all(map(self._fails, ranked)):
                return self._best_of_failed(ranked)
            self.trials = [t for t in self.trials if not t.stopped]
            self.try_all([t.setting for t in stopped])

    def _best_of_failed(self, ranked: list[Trial]) -> Trial:
        """Return the best of trials that all fell short; where each of them diverges, a slower one that does not."""
        best = min(ranked, key=self._sort_key)
        for trial in sorted((t for t in self.trials if t not in ranked), key=lambda t: t.key):
            if self._grade(best) < Grade.DIVERGES:
                break
            if trial.values not in self._verdicts:
                self._judge([trial])
            best = min(best, trial, key=self._sort_key)
        return best

    def _sort_key(self, trial: Trial) -> tuple[float, ...]:
        return *self._verdicts[trial.values].key, *trial.key

    def explain(self, best: Trial) -> list[str]:
        """Return warnings: that settings before the best one were passed over, and why the best is not good."""
        method, said = self._race.method.name, []
        if (first := min(self.trials, key=lambda t: t.key)) is not best:
            said.append(f"{method}: {_written(first.setting)} was faster, but {REASONS[self._grade(first)]}")
        if (grade := self._grade(best)) > Grade.CONVERGES:
            said.append(f"{method}: of the best setting found, {_written(best.setting)}, {REASONS[grade]}")
        return said

    def _judge(self, trials: Sequence[Trial]) -> None:
        missing = [t for t in trials if t.values not in self._verdicts]
        verdicts = self._check.run([t.setting for t in missing])
        self._verdicts |= {t.values: v for t, v in zip(missing, verdicts, strict=True)}

    def _grade(self, trial: Trial) -> Grade:
        return self._verdicts[trial.values].grade

    def _fails(self, trial: Trial) -> bool:
        return trial.values in self._verdicts and self._grade(trial) >= Grade.MISSES


def _finite(values: Iterable[float]) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in values]


def _restored(values: Iterable[float | None]) -> tuple[float, ...]:
    return tuple(np.inf if value is None else value for value in values)


def _written(setting: Setting) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in setting.items())
