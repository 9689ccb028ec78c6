"""Runs an algorithm on one problem and measures it on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from gnn_l2o.algorithms.base import Algorithm, Cost, SetupCost
from gnn_l2o.algorithms.driver import Driver
from gnn_l2o.algorithms.standing import Standing
from gnn_l2o.algorithms.stopping import StoppingRule
from gnn_l2o.evaluation.metrics import Metrics, OptimalityGap, has_diverged
from gnn_l2o.evaluation.node_distances import NodeDistances
from gnn_l2o.evaluation.online_loss import OnlineDriver
from gnn_l2o.evaluation.reference import Reference
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Problem


@dataclass(frozen=True)
class Trace:
    """What was measured along a run.

    Attributes:
        iteration: the checkpoints, see :func:`checkpoints`.
        measures: the values there, by the name of the metric.
        seconds: wall time of the steps up to there, without setting up and without measuring.
        spent: what network and problem counted up to there, setting up included, measuring not.
        diverged: whether the run diverged, and therefore ended at the last checkpoint.
        weights: of the problem in means over instances, by the name of the metric, see :meth:`.Metric.weights`.
        setup: what nodes exchange before the first iteration, see :attr:`.Driver.setup`; not part of ``spent``.
    """

    iteration: list[int] = field(default_factory=list)
    measures: dict[str, list[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    spent: list[Cost] = field(default_factory=list)
    diverged: bool = False
    weights: dict[str, float] = field(default_factory=dict)
    setup: SetupCost = field(default_factory=SetupCost)

    @property
    def optimality_gap(self) -> list[float]:
        """The relative optimality gap at the checkpoints."""
        return self.measures[OptimalityGap.name]

    @property
    def iteration_cost(self) -> Cost:
        """What an iteration costs on this graph, as it was counted between the last two checkpoints, rounded up."""
        if len(self.iteration) < 2:
            return Cost()
        steps = self.iteration[-1] - self.iteration[-2]
        total = self.spent[-1] - self.spent[-2]
        return Cost(**{name: -(-value // steps) for name, value in vars(total).items()})

    def reached(self, tolerance: float, metric: str = OptimalityGap.name) -> int | None:
        """Return the first position in the trace where a metric is at most ``tolerance``, if there is one.

        The iteration there is exact up to 200, and at most 1 % too large beyond.
        """
        return next((k for k, value in enumerate(self.measures[metric]) if value <= tolerance), None)


@dataclass(frozen=True, eq=False)
class Divergence(StoppingRule):
    """Ends a run that has diverged, see :func:`~gnn_l2o.evaluation.metrics.has_diverged`.

    Attributes:
        reference: what the iterates are measured against.
    """

    reference: Reference

    def holds(self, standing: Standing) -> bool:
        gap = standing.measures[OptimalityGap.name]
        return bool(has_diverged(self.reference, standing.state.x, gap).any())


def checkpoints(iterations: int) -> Iterator[int]:
    """Yield the iterations that are measured: every one up to 200, then each about 1 % after the last, and the end."""
    k = 0
    while k < iterations:
        yield k
        k += max(1, k // 100)
    yield iterations


@torch.no_grad()
def measure(
    algorithm: Algorithm[Any],
    problem: Problem,
    network: Network,
    x0: Tensor,
    *,
    metrics: Metrics,
    iterations: int,
    stop: Sequence[StoppingRule] = (),
    distances: NodeDistances | None = None,
) -> Trace:
    """Run an algorithm and measure it at every checkpoint, until the end, until it diverges or until a rule stops it.

    Only the current state is kept, and no history for back-propagation, so memory does not grow with the iterations.

    Args:
        algorithm: the algorithm.
        problem: one problem, in the precision of the run. Nothing else may use it and the network while the run goes
            on, as what they count is what the run has spent.
        network: the graph of the problem.
        x0: the initial point, ``(N, d)``.
        metrics: measures the iterates; the optimality gap is among them.
        iterations: how many at most; an algorithm of limited depth ends there.
        stop: rules that may end the run earlier.
        distances: records how far the nodes are from each other on the way.
    """
    trace = Trace(weights={name: float(weight.item()) for name, weight in metrics.weights().items()})
    divergence = Divergence(metrics.reference)
    last = iterations if algorithm.depth is None else min(iterations, algorithm.depth)
    if metrics.reference.online is None:
        driver: Driver[Any] = Driver(algorithm, problem, network, x0)
    else:
        driver = OnlineDriver(algorithm, problem, network, x0)
        driver.online = metrics.reference.online
    for standing in driver.halts(checkpoints(last), measure=metrics, stop=(divergence, *stop)):
        trace.iteration.append(standing.iteration)
        trace.seconds.append(standing.seconds)
        trace.spent.append(standing.cost)
        for name, values in standing.measures.items():
            trace.measures.setdefault(name, []).append(float(values.item()))
        if distances is not None:
            distances.record(standing.iteration, standing.state.x)
    return replace(trace, setup=driver.setup, diverged=divergence.holds(standing))
