"""Chooses the parameters of a method: the same budget for each, on problems that are not evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
import torch

from gnn_l2o.algorithms.tunable import Method, Setting
from gnn_l2o.evaluation.instances import Instance
from gnn_l2o.evaluation.tuning_grid import refine, shares, widen
from gnn_l2o.evaluation.tuning_race import Race, Trial, best_of

BUDGET = 24
TOLERANCE = 1e-4
WIDENINGS = 3


@dataclass(frozen=True)
class Tuning:
    """What was tried and what was chosen.

    Attributes:
        setting: the choice.
        trials: all that were tried, in the order in which they were.
        warnings: where the best setting lay at the edge of the grid, so that it had to be widened, and where the
            fastest was not stable.
    """

    setting: Setting
    trials: list[Trial]
    warnings: list[str]

    def to_json(self) -> dict[str, Any]:
        """Return the content as JSON can hold it; numbers that are not finite become ``None``."""
        trials = [
            {**asdict(t), "rounds": _or_none(t.rounds), "optimality_gap": _or_none(t.optimality_gap)}
            for t in self.trials
        ]
        return {"setting": self.setting, "trials": trials, "warnings": self.warnings}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Return the tuning whose :meth:`to_json` this is."""
        trials = [
            Trial(t["setting"], _or_infinite(t["rounds"]), _or_infinite(t["optimality_gap"]), t["unstable"])
            for t in content["trials"]
        ]
        return cls(content["setting"], trials, content["warnings"])


@torch.no_grad()
def tune(
    method: Method,
    instances: Sequence[Instance],
    *,
    iterations: int,
    budget: int = BUDGET,
    tolerance: float = TOLERANCE,
    dtype: torch.dtype = torch.float64,
    measure: str = "average",
) -> Tuning:
    """Return the setting that reaches the tolerance in the fewest rounds (median over the instances) and is stable.

    If no setting reaches the tolerance, the one with the smallest optimality gap at the horizon is chosen. Two thirds
    of the budget cover the declared grid; where its best value lies at an open end of a range, the grid is widened
    there, up to three times. The last third are values between the best one's neighbours, one parameter after the
    other. Settings run side by side, and only until it is certain which is first: a setting that reaches the tolerance
    before the others cannot be overtaken. The fastest setting then runs to the horizon; if it diverges there on any
    instance, or its median optimality gap has left the tolerance again, the next one is chosen.

    Args:
        method: the method.
        instances: of the distribution and the kind of network that is evaluated, from other seeds.
        iterations: the horizon.
        budget: how many settings are tried, not counting those that widen the grid.
        tolerance: the relative optimality gap.
        dtype: precision of the runs.
        measure: the optimality gap, one of :data:`~gnn_l2o.evaluation.metrics.MEASURES`.
    """
    race = Race(method, Instance.concatenate(instances), iterations, tolerance, dtype, measure)
    trials = race.run(method.settings(budget - budget // 3))
    warnings: list[str] = []
    for _ in range(WIDENINGS):
        best = best_of(trials)
        more, warning = widen(method, [t.setting for t in trials], best.setting)
        if not more:
            break
        warnings.append(warning)
        trials += race.run(more, limit=best.rounds)
    for name, points in shares(method, budget // 3).items():
        best = best_of(trials)
        finer = refine(method, name, [t.setting for t in trials], best.setting, points)
        trials += race.run(finer, limit=best.rounds)
    return settle(race, trials, warnings)


def settle(race: Race, trials: list[Trial], warnings: list[str]) -> Tuning:
    """Choose the best setting that is stable to the horizon; if none is, the best of all, with a warning."""
    fastest = best_of(trials)
    while not (best := best_of(trials)).unstable:
        if race.is_stable(best):
            if best.setting != fastest.setting:
                warnings = [*warnings, f"{race.method.name}: {_written(fastest.setting)} was faster, but not stable"]
            return Tuning(best.setting, trials, warnings)
        trials = [replace(t, unstable=True) if t is best else t for t in trials]
        # The others were stopped when the fastest was certain, so which comes next is not known yet.
        again = iter(race.run([t.setting for t in trials if not t.unstable]))
        trials = [t if t.unstable else next(again) for t in trials]
    warning = f"{race.method.name}: no setting tried is stable to the horizon"
    return Tuning(fastest.setting, trials, [*warnings, warning])


def _or_none(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _or_infinite(value: float | None) -> float:
    return np.inf if value is None else value


def _written(setting: Setting) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in setting.items())
