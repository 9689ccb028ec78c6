"""Whether settings converge to the horizon, with steps a little larger and on problems that no setting was tried on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch

from gnn_l2o.algorithms.tunable import Method, Setting
from gnn_l2o.evaluation.batched_runs import BatchedRuns
from gnn_l2o.evaluation.instances import Instance
from gnn_l2o.evaluation.runner import checkpoints
from gnn_l2o.evaluation.tuning_race import batches

# The largest stable step varies from instance to instance, on real data by a factor of 1.4. The margin costs the chosen
# step as much as twice the number of instances for stability would, and makes as many unseen instances converge.
MARGIN = 1.1
CERTIFIED = 1e-12  # to which optima are certified


class Grade(IntEnum):
    """What a setting does to the horizon, the best first."""

    CONVERGES = 0
    STAYS = 1
    MISSES = 2
    DIVERGES = 3


@dataclass(frozen=True)
class Verdict:
    """The outcome of a check.

    Attributes:
        grade: the worst of all runs.
        within: the fraction of the runs that end within the tolerance.
    """

    grade: Grade
    within: float

    @property
    def key(self) -> tuple[float, ...]:
        """What verdicts are sorted by."""
        return self.grade, -self.within


@dataclass(frozen=True, eq=False)
class Check:
    """Runs settings to the horizon.

    A setting converges if the optimality gap ends below a hundredth of the tolerance (below 1e-12 where that is larger)
    in every run. It stays if the optimality gap ends within the tolerance. The setting with its steps enlarged by the
    margin (:meth:`.Tunable.enlarge`) has to stay. Of methods that reach a neighbourhood of the solution only, of
    limited depth or with stochastic gradients, no more than staying is asked.

    Attributes:
        method: the method.
        instances: the problems, side by side.
        iterations: the horizon.
        tolerance: the relative optimality gap that is to be reached.
        dtype: precision of the runs.
        margin: the factor of the steps; 1 for none.
        approximate: whether no more than staying is asked.
        measure: the optimality gap, one of :data:`~gnn_l2o.evaluation.metrics.MEASURES`.
    """

    method: Method
    instances: Instance
    iterations: int
    tolerance: float
    dtype: torch.dtype
    margin: float
    approximate: bool
    measure: str = "average"

    @property
    def bound(self) -> float:
        """The optimality gap at which a run has converged."""
        return self.tolerance if self.approximate else min(self.tolerance, max(self.tolerance / 100, CERTIFIED))

    def run(self, settings: Sequence[Setting]) -> list[Verdict]:
        """Return what each setting does."""
        larger = [self.method.enlarge(setting, self.margin) for setting in settings]
        pairs = [(k, s) for k, both in enumerate(zip(settings, larger, strict=True)) for s in _distinct(*both)]
        owner = np.array([k for k, _ in pairs])
        everything = [setting for _, setting in pairs]
        gaps = np.empty((len(pairs), self.instances.problem.num_problems))
        for batch in batches(self.method, everything, self.instances):
            runs = BatchedRuns(self.method, [everything[k] for k in batch], self.instances, self.dtype, self.measure)
            gaps[batch] = final_gaps(runs, owner[batch], self.iterations, self.bound, early=not self.approximate)
        return [self._judge(gaps[owner == k]) for k in range(len(settings))]

    def _judge(self, gaps: np.ndarray) -> Verdict:
        """Return the verdict on a setting, whose own gaps are the first row."""
        within = float((gaps <= self.tolerance).mean())
        if np.isinf(gaps).any():
            return Verdict(Grade.DIVERGES, within)
        if within < 1:
            return Verdict(Grade.MISSES, within)
        return Verdict(Grade.CONVERGES if (gaps[0] <= self.bound).all() else Grade.STAYS, within)


def final_gaps(runs: BatchedRuns, owner: np.ndarray, iterations: int, bound: float, *, early: bool) -> np.ndarray:
    """Return the optimality gaps at the horizon, infinite where a run diverged: ``(settings, instances)``.

    Args:
        runs: of the settings.
        owner: ``(settings,)``; those with the same number end when one of them diverges.
        iterations: the horizon.
        bound: the optimality gap at which a run has converged.
        early: whether the runs of a setting end where all have been below the bound for 50 iterations and for a
            quarter of those that it took to get there.
    """
    gap, since = np.full(runs.shape, np.inf), np.full(runs.shape, np.inf)
    done = np.zeros(runs.shape[0], dtype=bool)
    for iteration in checkpoints(runs.last(iterations)):
        runs.advance(iteration)
        now, diverged = runs.measure()
        now[diverged] = np.inf
        running = ~done[runs.active]
        gap[np.array(runs.active)[running]] = now[running]
        since = np.where(gap <= bound, np.minimum(since, iteration), np.inf)
        arrival = since.max(axis=1)
        done |= np.isin(owner, owner[runs.active][np.isinf(gap[runs.active]).any(axis=1)])
        if early:
            done |= iteration >= arrival + np.maximum(50, arrival / 4)
        if done.all():
            break
        runs.shrink(~done)
    return gap


def _distinct(own: Setting, larger: Setting) -> list[Setting]:
    return [own] if larger == own else [own, larger]
