"""Which of several settings reaches a tolerance in the fewest rounds, at the cost of few iterations of the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from gnn_l2o.algorithms.tunable import Choice, Method, Setting
from gnn_l2o.evaluation.batched_runs import BatchedRuns
from gnn_l2o.evaluation.instances import Instance
from gnn_l2o.evaluation.runner import checkpoints

CACHED = 2**16  # numbers in an iterate of a batch; where it outgrew the cache, steps measured up to 5 times slower
SHRINK = 0.75  # rebuilding the batch costs about one iteration, so it waits until a quarter of it is idle


@dataclass(frozen=True)
class Trial:
    """The outcome of one setting.

    Attributes:
        setting: the parameters, in the units of the method's grid.
        rounds: communication rounds to the tolerance, the median over the instances; infinite where it was not
            reached before the fastest setting was found.
        optimality_gap: relative, at the last measurement, the median over the instances; infinite where the run
            diverged.
        unstable: whether the setting was the fastest, but diverged or left the tolerance again before the horizon.
    """

    setting: Setting
    rounds: float
    optimality_gap: float
    unstable: bool = False


def best_of(trials: list[Trial]) -> Trial:
    """Return the trial with the fewest rounds, a stable one if there is any.

    Optimality gaps decide only where no setting reached the tolerance; among equals the smallest step is the safest.
    """

    def key(trial: Trial) -> tuple[float, ...]:
        gap = trial.optimality_gap if np.isinf(trial.rounds) else 0.0
        return trial.unstable, trial.rounds, gap, *trial.setting.values()

    return min(trials, key=key)


@dataclass(frozen=True, eq=False)
class Race:
    """Runs settings of a method against each other.

    Attributes:
        method: the method.
        instances: the problems, side by side.
        iterations: the horizon.
        tolerance: the relative optimality gap that is to be reached.
        dtype: precision of the runs.
        measure: the optimality gap, one of :data:`~gnn_l2o.evaluation.metrics.MEASURES`.
    """

    method: Method
    instances: Instance
    iterations: int
    tolerance: float
    dtype: torch.dtype
    measure: str = "average"

    def run(self, settings: list[Setting], limit: float = np.inf) -> list[Trial]:
        """Try settings, batch after batch; stop those that need more rounds than ``limit`` or the best so far."""
        trials: dict[int, Trial] = {}
        for batch in self._batches(settings):
            runs = self._start([settings[k] for k in batch])
            horizon = int(min(self.iterations, limit // runs.rounds))
            reached, gap = find_first(runs, horizon, self.tolerance)
            for k, iteration, last in zip(batch, reached, gap, strict=True):
                trials[k] = Trial(settings[k], float(iteration) * runs.rounds, float(last))
            limit = min(limit, *(trials[k].rounds for k in batch))
        return [trials[k] for k in range(len(settings))]

    def is_stable(self, trial: Trial) -> bool:
        """Run a setting to the horizon: tell whether it diverges nowhere and ends within the tolerance it reached."""
        runs = self._start([trial.setting])
        gap = np.full(runs.shape, np.inf)
        for iteration in checkpoints(self.iterations):
            runs.advance(iteration)
            gap, diverged = runs.measure()
            if diverged.any():
                return False
        return bool(np.isinf(trial.rounds) or np.median(gap) <= self.tolerance)

    def _start(self, settings: list[Setting]) -> BatchedRuns:
        return BatchedRuns(self.method, settings, self.instances, self.dtype, self.measure)

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


def find_first(runs: BatchedRuns, iterations: int, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Run until one setting is certain to be first; return medians of iterations and optimality gaps of all settings.

    From what is known at an iteration, the median of a setting lies between that with all unfinished instances done at
    the next iteration and that with none of them ever done. Settings where the two agree leave the batch.
    """
    reached, gap = np.full(runs.shape, np.inf), np.full(runs.shape, np.inf)
    diverged = np.zeros(runs.shape, dtype=bool)
    latest = np.median(reached, axis=1)
    for iteration in checkpoints(iterations):
        runs.advance(iteration)
        now_gap, now_diverged = runs.measure()
        diverged[runs.active] |= now_diverged
        gap[runs.active] = np.where(diverged[runs.active], np.inf, now_gap)
        reached[(gap <= tolerance) & np.isinf(reached)] = iteration
        latest = np.median(reached, axis=1)
        earliest = np.median(np.where(diverged, reached, np.minimum(reached, iteration + 1)), axis=1)
        undecided = earliest < latest
        if not undecided.any() or latest.min() < earliest[undecided].min():
            break
        if undecided[runs.active].sum() <= SHRINK * len(runs.active):
            runs.select([k for k in runs.active if undecided[k]])
    return latest, np.median(gap, axis=1)
