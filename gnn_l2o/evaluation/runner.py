"""Runs an algorithm on one problem and measures it on the way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from gnn_l2o.algorithms.base import Algorithm, Cost, spent
from gnn_l2o.algorithms.driver import run
from gnn_l2o.evaluation.metrics import Metrics
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Problem


@dataclass(frozen=True)
class Trace:
    """What was measured along a run.

    Attributes:
        iteration: where: see :func:`checkpoints`.
        gap: relative gap there.
        consensus: relative consensus error there.
        seconds: wall time of the steps up to there, without setting up and without measuring.
        spent: what network and problem counted up to there, setting up included, measuring not.
        diverged: the run was lost and stopped at the last checkpoint.
        accuracy: on test samples, at the checkpoints; empty where there are none.
    """

    iteration: list[int] = field(default_factory=list)
    gap: list[float] = field(default_factory=list)
    consensus: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    spent: list[Cost] = field(default_factory=list)
    diverged: bool = False
    accuracy: list[float] = field(default_factory=list)

    def reached(self, tolerance: float) -> int | None:
        """Return the position in the trace where the gap first is at most ``tolerance``, if it ever is.

        The iteration there is exact up to 200, and at most 1 % too large beyond.
        """
        return next((k for k, gap in enumerate(self.gap) if gap <= tolerance), None)


def checkpoints(iterations: int) -> Iterator[int]:
    """Yield the iterations that are measured: every one up to 200, then each about 1 % after the last, and the end."""
    k = 0
    while k < iterations:
        yield k
        k += max(1, k // 100)
    yield iterations


@torch.no_grad()
def measure(
    algorithm: Algorithm[Any], problem: Problem, network: Network, x0: Tensor, *, metrics: Metrics, iterations: int
) -> Trace:
    """Run an algorithm and measure it at every checkpoint, until the end or until it diverges.

    Only the current state is kept, and no history for back-propagation, so memory does not grow with the iterations.

    Args:
        algorithm: what runs.
        problem: one problem, in the precision in which it is to run; it and the network are used by nobody else while
            the run goes on, as what they count is what the run has spent.
        network: its graph.
        x0: ``(N, d)``.
        metrics: what measures the iterates.
        iterations: how many at most; an algorithm of limited depth ends there.
    """
    trace = Trace()
    states = run(algorithm, problem, network, x0)
    before = spent(problem, network)
    state = next(states)
    done, seconds, cost = 0, 0.0, spent(problem, network) - before
    for checkpoint in checkpoints(iterations if algorithm.depth is None else min(iterations, algorithm.depth)):
        before, start = spent(problem, network), time.perf_counter()
        for _ in range(checkpoint - done):
            state = next(states)
        seconds += time.perf_counter() - start
        cost += spent(problem, network) - before
        done = checkpoint
        measured = metrics(state.x)
        trace.iteration.append(done)
        trace.gap.append(measured.gap.item())
        trace.consensus.append(measured.consensus.item())
        accuracy = metrics.accuracy(state.x)
        if accuracy is not None:
            trace.accuracy.append(accuracy.item())
        trace.seconds.append(seconds)
        trace.spent.append(cost)
        if measured.diverged:
            return replace(trace, diverged=True)
    return trace
