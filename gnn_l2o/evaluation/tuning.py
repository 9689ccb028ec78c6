"""Chooses the parameters of a method: the same budget for each, on problems that are not evaluated on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
import torch

from gnn_l2o.algorithms.base import map_tensors
from gnn_l2o.algorithms.tunable import Choice, Range, Setting, Tunable
from gnn_l2o.evaluation.instances import Instance
from gnn_l2o.evaluation.runner import checkpoints

BUDGET = 24
TOLERANCE = 1e-4
WIDENINGS = 3
CACHED = 2**16  # numbers in an iterate of a batch; where it outgrew the cache, steps measured up to 5 times slower
SHRINK = 0.75  # rebuilding the batch costs about one iteration, so it waits until a quarter of it is idle


@dataclass(frozen=True)
class Trial:
    """How a setting did.

    Attributes:
        setting: the parameters, in the units of the method's grid.
        rounds: communication rounds to the tolerance, the median over the instances; infinite where it was not
            reached before the winner was found.
        gap: relative gap when it was last measured, the median over the instances; infinite where it diverged.
        lost: whether it reached the tolerance first but did not keep it, or diverged, before the horizon.
    """

    setting: Setting
    rounds: float
    gap: float
    lost: bool = False


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
        """Return it as JSON can hold it; numbers that are not finite become ``None``."""
        trials = [{**asdict(t), "rounds": _or_none(t.rounds), "gap": _or_none(t.gap)} for t in self.trials]
        return {"setting": self.setting, "trials": trials, "warnings": self.warnings}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Return what :meth:`to_json` was called on."""
        trials = [
            Trial(t["setting"], _or_infinite(t["rounds"]), _or_infinite(t["gap"]), t["lost"]) for t in content["trials"]
        ]
        return cls(content["setting"], trials, content["warnings"])


@torch.no_grad()
def tune(
    method: type[Tunable[Any]],
    instances: Sequence[Instance],
    *,
    iterations: int,
    budget: int = BUDGET,
    tolerance: float = TOLERANCE,
    dtype: torch.dtype = torch.float64,
) -> Tuning:
    """Return the setting that reaches the tolerance in the fewest rounds (median over the instances) and keeps it.

    If none reaches it, the one with the least gap at the horizon wins. Two thirds of the budget cover the declared
    grid; where its best value lies at an open end of a range, the grid is widened there, up to three times. The last
    third are values between the best one's neighbours, one parameter after the other. Settings run side by side, and
    only until it is certain which is first: whoever reaches the tolerance before the others cannot be overtaken. The
    winner then runs to the horizon; if it diverges there on any instance, or its median gap has left the tolerance
    again, the next one wins.

    Args:
        method: what is tuned.
        instances: of the distribution and the kind of network that is evaluated on, from other seeds.
        iterations: the horizon.
        budget: how many settings are tried, not counting those that widen the grid.
        tolerance: the relative gap.
        dtype: precision of the runs.
    """
    race = _Race(method, Instance.concatenate(instances), iterations, tolerance, dtype)
    trials = race.run(method.settings(budget - budget // 3))
    warnings: list[str] = []
    for _ in range(WIDENINGS):
        best = _best(trials)
        more, warning = _widen(method, trials, best.setting)
        if not more:
            break
        warnings.append(warning)
        trials += race.run(more, limit=best.rounds)
    for name, points in _shares(method, budget // 3).items():
        best = _best(trials)
        trials += race.run(_refine(method, name, trials, best.setting, points), limit=best.rounds)
    return _settle(race, trials, warnings)


def _best(trials: list[Trial]) -> Trial:
    # A gap counts only where nobody got there; among equals the smallest step is the safest.
    return min(trials, key=lambda t: (t.lost, t.rounds, t.gap if np.isinf(t.rounds) else 0.0, *t.setting.values()))


def _settle(race: _Race, trials: list[Trial], warnings: list[str]) -> Tuning:
    """Choose the best setting that is stable to the horizon; if none is, the best of all, with a warning."""
    fastest = _best(trials)
    while not (best := _best(trials)).lost:
        if race.keeps(best):
            if best.setting != fastest.setting:
                warnings = [*warnings, f"{race.method.name}: {_written(fastest.setting)} was faster, but not stable"]
            return Tuning(best.setting, trials, warnings)
        trials = [replace(t, lost=True) if t is best else t for t in trials]
        # The others were stopped when the winner was certain, so who comes next is not known yet.
        again = iter(race.run([t.setting for t in trials if not t.lost]))
        trials = [t if t.lost else next(again) for t in trials]
    warning = f"{race.method.name}: no setting tried is stable to the horizon"
    return Tuning(fastest.setting, trials, [*warnings, warning])


def _widen(method: type[Tunable[Any]], trials: list[Trial], best: Setting) -> tuple[list[Setting], str]:
    """Return settings beyond the first edge of what was tried that the best one lies at, and a note that says so."""
    for name, axis in method.grid.items():
        tried = sorted({t.setting[name] for t in trials})
        if isinstance(axis, Choice) or not axis.open or len(tried) < 2 or best[name] not in (tried[0], tried[-1]):
            continue
        upwards = best[name] == tried[-1]
        more = axis.beyond(tried, upwards=upwards)
        if not more:
            continue
        edge = "largest" if upwards else "smallest"
        warning = f"{method.name}: the best {name}, {best[name]:.3g}, is the {edge} one tried; the grid is widened"
        return [{**best, name: value} for value in more], warning
    return [], ""


def _shares(method: type[Tunable[Any]], points: int) -> dict[str, int]:
    """Share out values to try between those of the grid: evenly over the ranges, what is left to the first."""
    ranges = [name for name, axis in method.grid.items() if isinstance(axis, Range)]
    shares = {name: points // len(ranges) for name in ranges}
    shares[ranges[0]] += points % len(ranges)
    return shares


def _refine(method: type[Tunable[Any]], name: str, trials: list[Trial], best: Setting, points: int) -> list[Setting]:
    """Return settings with values of one parameter between the best one's neighbours, in the axis's spacing."""
    axis = method.grid[name]
    assert isinstance(axis, Range)
    tried = sorted({t.setting[name] for t in trials})
    if len(tried) == 1:
        inside = axis.between(axis.low, axis.high, points)
    else:
        position = tried.index(best[name])
        around = tried[max(0, position - 1)], tried[min(len(tried) - 1, position + 1)]
        inside = axis.between(*around, points + 2)[1:-1]
    return [{**best, name: value} for value in inside if not np.isclose(value, tried).any()]


def _or_none(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _or_infinite(value: float | None) -> float:
    return np.inf if value is None else value


def _written(setting: Setting) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in setting.items())


@dataclass(frozen=True, eq=False)
class _Race:
    """Runs settings of a method against each other.

    Attributes:
        method: whose.
        instances: on which, side by side.
        iterations: the horizon.
        tolerance: the gap that they race for.
        dtype: precision of the runs.
    """

    method: type[Tunable[Any]]
    instances: Instance
    iterations: int
    tolerance: float
    dtype: torch.dtype

    def run(self, settings: list[Setting], limit: float = np.inf) -> list[Trial]:
        """Try settings, batch after batch; whoever needs more rounds than ``limit``, or the best so far, is stopped."""
        trials: dict[int, Trial] = {}
        for batch in self._batches(settings):
            runs = _Runs(self, [settings[k] for k in batch])
            horizon = int(min(self.iterations, limit // runs.rounds))
            reached, gap = _first(runs, horizon, self.tolerance)
            for k, iteration, last in zip(batch, reached, gap, strict=True):
                trials[k] = Trial(settings[k], float(iteration) * runs.rounds, float(last))
            limit = min(limit, *(trials[k].rounds for k in batch))
        return [trials[k] for k in range(len(settings))]

    def keeps(self, trial: Trial) -> bool:
        """Run a setting to the horizon: tell whether it diverges nowhere and ends within the tolerance it reached."""
        runs = _Runs(self, [trial.setting])
        gap = np.full(runs.shape, np.inf)
        for iteration in checkpoints(self.iterations):
            runs.advance(iteration)
            gap, diverged = runs.measure()
            if diverged.any():
                return False
        return bool(np.isinf(trial.rounds) or np.median(gap) <= self.tolerance)

    def _batches(self, settings: list[Setting]) -> list[list[int]]:
        """Return the positions of the settings that run side by side: equal in their choices, not too many at once.

        The last settings come first: the largest steps diverge at once, and the largest that does not is often the
        best, which gives the others a limit.
        """
        choices = [name for name, axis in self.method.grid.items() if isinstance(axis, Choice)]
        alike: dict[tuple[float, ...], list[int]] = {}
        for k in reversed(range(len(settings))):
            alike.setdefault(tuple(settings[k][name] for name in choices), []).append(k)
        size = max(1, CACHED // self.instances.x0.numel())
        return [batch[k : k + size] for batch in alike.values() for k in range(0, len(batch), size)]


def _first(runs: _Runs, iterations: int, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Run until one setting is certain to be first; return the iterations and the gaps of all, their medians.

    With what happened so far, a setting's median lies between that with all unfinished instances done at the next
    iteration and that with none of them ever done. Settings where the two agree leave the batch.
    """
    reached, gap = np.full(runs.shape, np.inf), np.full(runs.shape, np.inf)
    diverged = np.zeros(runs.shape, dtype=bool)
    latest = np.median(reached, axis=1)
    for iteration in checkpoints(iterations):
        runs.advance(iteration)
        now_gap, now_diverged = runs.measure()
        diverged[runs.alive] |= now_diverged
        gap[runs.alive] = np.where(diverged[runs.alive], np.inf, now_gap)
        reached[(gap <= tolerance) & np.isinf(reached)] = iteration
        latest = np.median(reached, axis=1)
        earliest = np.median(np.where(diverged, reached, np.minimum(reached, iteration + 1)), axis=1)
        undecided = earliest < latest
        if not undecided.any() or latest.min() < earliest[undecided].min():
            break
        if undecided[runs.alive].sum() <= SHRINK * len(runs.alive):
            runs.keep([k for k in runs.alive if undecided[k]])
    return latest, np.median(gap, axis=1)


class _Runs:
    """Runs of several settings on the same instances, side by side as one batch that may shrink on the way.

    Attributes:
        shape: how many settings and instances there were at the beginning.
        alive: positions of the settings that are left.
        rounds: communication rounds of an iteration.
    """

    def __init__(self, race: _Race, settings: list[Setting]) -> None:
        self._race, self._settings = race, settings
        self.shape = len(settings), race.instances.problem.num_problems
        self.alive = list(range(len(settings)))
        self._iteration = 0
        x0 = self._assemble()
        self._state = self._algorithm.init(self._problem.draw(0), self._network, x0)
        self.rounds = self._algorithm.cost.rounds

    def _assemble(self) -> torch.Tensor:
        batch = self._race.instances.repeat(len(self.alive))
        self._metrics = batch.metrics(self._race.dtype)
        self._problem, self._network, x0 = batch.cast(self._race.dtype)
        setting = {name: self._values(name) for name in self._settings[0]}
        self._algorithm = self._race.method.from_setting(self._problem, setting)
        return x0

    def _values(self, name: str) -> float | torch.Tensor:
        values = [self._settings[k][name] for k in self.alive]
        if isinstance(self._race.method.grid[name], Choice):
            return values[0]
        return torch.tensor(values, dtype=self._race.dtype).repeat_interleave(self._nodes).unsqueeze(1)

    @property
    def _nodes(self) -> int:
        """The nodes of one setting's instances together."""
        return self._race.instances.problem.num_nodes

    def advance(self, iteration: int) -> None:
        """Step until this iteration."""
        for k in range(self._iteration, iteration):
            self._state = self._algorithm.step(self._problem.draw(k + 1), self._network, self._state)
        self._iteration = iteration

    def measure(self) -> tuple[np.ndarray, np.ndarray]:
        """Return gap and divergence of the settings alive on every instance."""
        measured = self._metrics(self._state.x)
        shape = len(self.alive), -1
        return measured.gap.reshape(shape).numpy(), measured.diverged.reshape(shape).numpy()

    def keep(self, alive: list[int]) -> None:
        """Go on with these settings only, which are among those alive."""
        position = torch.tensor([self.alive.index(k) for k in alive])
        rows = (position.unsqueeze(1) * self._nodes + torch.arange(self._nodes)).flatten()
        self._state = map_tensors(lambda t: t.index_select(0, rows), self._state)
        self.alive = alive
        self._assemble()
