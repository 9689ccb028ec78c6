"""How many rounds each of several settings takes to a tolerance, at the cost of few iterations of the slow ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from gnn_l2o.algorithms.tunable import Choice, Method, Setting
from gnn_l2o.evaluation.batched_runs import BatchedRuns
from gnn_l2o.evaluation.instances import Instance
from gnn_l2o.evaluation.metrics import DIVERGED
from gnn_l2o.evaluation.runner import checkpoints

CACHED = 2**16  # numbers in an iterate of a batch; where it outgrew the cache, steps measured up to 5 times slower
SLACK = 1.25  # settings up to so many times slower than the fastest are followed, as others may turn out unstable
SMALLEST = 1e-16  # optimality gaps below are rounding errors


@dataclass(frozen=True)
class Trial:
    """The outcome of one setting.

    Attributes:
        setting: the parameters, in the units of the method's grid.
        rounds: communication rounds to the tolerance on each instance; infinite where it was not reached before the
            run was stopped.
        optimality_gap: relative, on each instance at the last measurement; infinite where the run diverged.
        stopped: whether the runs were stopped because another setting was certain to be much faster.
    """

    setting: Setting
    rounds: tuple[float, ...]
    optimality_gap: tuple[float, ...]
    stopped: bool = False

    @property
    def values(self) -> tuple[float, ...]:
        """The values of the parameters."""
        return tuple(self.setting.values())

    @property
    def arrives(self) -> bool:
        """Whether the tolerance was reached on every instance."""
        return bool(np.isfinite(self.rounds).all())

    @property
    def diverges(self) -> bool:
        """Whether a run diverged."""
        return bool(np.isinf(self.optimality_gap).any())

    @property
    def score(self) -> float:
        """The mean logarithm of the rounds over the instances; infinite where an instance was missed."""
        return float(mean_log(np.array(self.rounds)))

    @property
    def key(self) -> tuple[float, ...]:
        """What trials are sorted by.

        Trials that reach the tolerance on all instances come first, by their score. The others follow by divergence,
        the number of instances on which they reach it, and the mean logarithm of the optimality gap. Among equals the
        smallest parameters come first.
        """
        if self.arrives:
            return 0, self.score, 0, *self.values
        gaps = np.log(np.clip(self.optimality_gap, SMALLEST, DIVERGED))
        return 1 + self.diverges, -float(np.isfinite(self.rounds).sum()), float(gaps.mean()), *self.values


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

    def run(self, settings: Sequence[Setting], best: float = np.inf) -> list[Trial]:
        """Try settings, batch after batch, until they arrive or are certain to be much slower than the fastest.

        Args:
            settings: of the method.
            best: the smallest score of earlier trials.
        """
        trials: dict[int, Trial] = {}
        for batch in batches(self.method, settings, self.instances):
            runs = BatchedRuns(self.method, [settings[k] for k in batch], self.instances, self.dtype, self.measure)
            rounds, gap, slow = count_rounds(runs, self.iterations, self.tolerance, best)
            for row, k in enumerate(batch):
                trials[k] = Trial(settings[k], tuple(rounds[row].tolist()), tuple(gap[row].tolist()), slow[row])
            best = min(best, *(trials[k].score for k in batch))
        return [trials[k] for k in range(len(settings))]


def batches(method: Method, settings: Sequence[Setting], instances: Instance) -> list[list[int]]:
    """Return the positions of the settings that run side by side: equal in their choices, not too many at once.

    The last settings come first: the largest steps diverge at once, and the largest that does not is often the best,
    which gives the others a limit.
    """
    choices = [name for name, axis in method.grid.items() if isinstance(axis, Choice)]
    alike: dict[tuple[float, ...], list[int]] = {}
    for k in reversed(range(len(settings))):
        alike.setdefault(tuple(settings[k][name] for name in choices), []).append(k)
    size = max(1, CACHED // instances.x0.numel())
    return [batch[k : k + size] for batch in alike.values() for k in range(0, len(batch), size)]


def count_rounds(
    runs: BatchedRuns, iterations: int, tolerance: float, best: float
) -> tuple[np.ndarray, np.ndarray, list[bool]]:
    """Run until every setting has arrived, has diverged or is too slow.

    A setting is too slow when its score, with all unfinished instances done in the next round, would exceed the best
    one by more than the logarithm of :data:`SLACK`.

    Args:
        runs: of the settings.
        iterations: the horizon.
        tolerance: the relative optimality gap.
        best: the smallest score of earlier trials.

    Returns:
        Rounds and optimality gaps, ``(settings, instances)``, and which settings were too slow.
    """
    rounds, gap = np.full(runs.shape, np.inf), np.full(runs.shape, np.inf)
    done, slow = np.zeros(runs.shape[0], dtype=bool), np.zeros(runs.shape[0], dtype=bool)
    for iteration in checkpoints(runs.last(iterations)):
        runs.advance(iteration)
        now, diverged = runs.measure()
        now[diverged] = np.inf
        running = ~done[runs.active]
        gap[np.array(runs.active)[running]] = now[running]
        reached = (gap <= tolerance) & np.isinf(rounds) & ~done[:, None]
        rounds[reached] = runs.rounds
        scores = mean_log(rounds)
        best = min(best, scores.min())
        possible = mean_log(np.minimum(rounds, runs.rounds + 1))
        finished = np.isfinite(scores) | np.isinf(gap).any(axis=1)
        slow |= ~finished & (possible > best + np.log(SLACK))
        done |= finished | slow
        if done.all():
            break
        runs.shrink(~done)
    return rounds, gap, slow.tolist()


def mean_log(rounds: np.ndarray) -> np.ndarray:
    """Return the mean logarithm along the last axis; less than one round counts as one."""
    return np.log(np.maximum(rounds, 1.0)).mean(axis=-1)
