"""The record of one run, as it stands in the results file."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.evaluation.metrics import MEASURES, ConsensusError, OptimalityGap, WorstNodeGap
from gnn_l2o.evaluation.node_distances import NodeDistances
from gnn_l2o.evaluation.runner import Trace

TOLERANCES = tuple(float(f"1e-{k}") for k in range(1, 16))
"""The relative optimality gaps of which a record says when they were first reached.

Optima are certified to 1e-12; below that is rounding.
"""

FILE_KEYS: Mapping[str, str] = {OptimalityGap.name: "gap", ConsensusError.name: "consensus"}
"""The names of metrics in the results file, where they differ from their own."""

TRACE_COLUMNS = ("iteration", "seconds", *FILE_KEYS.values(), *(field.name for field in dataclasses.fields(Cost)))
"""The columns of a trace that no metric of a user may be called."""


SHOWN = (1e-4, 1e-6)
"""The relative optimality gaps that tables show unless others are asked for."""


ONE_GRADIENT, LOCAL_SOLVES, OF_LIMITS = "one gradient a round", "local solves", "limits"

CLASSES: Mapping[str, str] = {"one_gradient": ONE_GRADIENT, "local_solves": LOCAL_SOLVES}
"""The classes of methods and models, which tables rank one after another, by the name of their columns in files."""

TOTAL_GRADIENTS = "total_gradients"
"""The quantity that adds the gradients inside local solves to the others."""


class Case(NamedTuple):
    """The runs that are compared with each other: a dataset on a topology of one size."""

    dataset: str
    topology: str
    nodes: int

    def __str__(self) -> str:
        return f"{self.dataset}, {self.topology}, {self.nodes} {'node' if self.nodes == 1 else 'nodes'}"

    @property
    def file_name(self) -> str:
        """Return a file name, without an ending, for the case."""
        name = f"{_without_folders(self.dataset)}_{_without_folders(self.topology)}_{self.nodes}"
        return re.sub(r"[^\w.=-]+", "_", name)


@dataclass(frozen=True)
class Run:
    """One algorithm on one instance. Numbers that are not finite are ``None``.

    Attributes:
        algorithm: its name.
        dataset, topology: the specs that named them.
        nodes: N.
        instance: number of the instance.
        step_size: alpha, for tuned methods that have one.
        parameters: the tuned setting, in the units of the method's grid (steps in units of 1/L).
        diverged: whether the run diverged.
        final_gap: relative optimality gap at the end.
        final_consensus: relative consensus error at the end; ``None`` where it is not measured.
        seconds: wall time of all steps.
        rounds_per_iteration: communication rounds of an iteration on this graph, as counted at the end of the run.
        vectors_per_edge_per_iteration: vectors sent along each edge in each direction an iteration, likewise.
        reached: for each tolerance when the optimality gap first was at most that: iterations, and the costs
            (:class:`.Cost`) that network and problem counted until then, and seconds; or ``None``.
        trace: at the checkpoints the iteration; the metrics to six digits, among them the optimality gap and the
            consensus error under the keys of :data:`FILE_KEYS`; the costs; the wall time, which older files lack.
        reached_worst: what ``reached`` is, for the optimality gap of the worst node; empty where it is not measured.
        setup_rounds: communication rounds before the first iteration, see :attr:`.Driver.setup`; they are not among
            those of ``reached`` and the trace. ``None`` in older files.
        setup_numbers: numbers sent along every edge in each direction in these, likewise.
        weights: of the instance in means over instances, by the name of the metric (:meth:`.Metric.weights`).
        node_distances: how far the nodes are from their average (:class:`.NodeDistances`): ``{"iteration": [...],
            "distance": [[of every node], ...]}``; empty but for first instances on small networks.
    """

    algorithm: str
    dataset: str
    topology: str
    nodes: int
    instance: int
    step_size: float | None
    parameters: dict[str, float]
    diverged: bool
    final_gap: float | None
    final_consensus: float | None
    seconds: float
    rounds_per_iteration: int
    vectors_per_edge_per_iteration: int
    reached: dict[str, dict[str, float] | None]
    trace: dict[str, list[Any]]
    reached_worst: dict[str, dict[str, float] | None] = field(default_factory=dict)
    setup_rounds: int | None = None
    setup_numbers: int | None = None
    weights: dict[str, float] = field(default_factory=dict)
    node_distances: dict[str, list[Any]] = field(default_factory=dict)

    @classmethod
    def from_trace(
        cls,
        trace: Trace,
        cost: Cost,
        *,
        algorithm: str,
        case: Case,
        instance: int,
        step_size: float | None = None,
        parameters: Mapping[str, float] | None = None,
        distances: NodeDistances | None = None,
    ) -> Run:
        """Return the record of a run that was measured; ``cost`` is what an iteration cost."""
        measures = {file_key(name): values for name, values in trace.measures.items()}
        consensus = measures.get(file_key(ConsensusError.name))
        return cls(
            algorithm=algorithm,
            **case._asdict(),
            instance=instance,
            step_size=step_size,
            parameters=dict(parameters or {}),
            diverged=trace.diverged,
            final_gap=finite(trace.optimality_gap[-1]),
            final_consensus=None if consensus is None else finite(consensus[-1]),
            seconds=trace.seconds[-1],
            rounds_per_iteration=cost.rounds,
            vectors_per_edge_per_iteration=cost.vectors,
            reached=_reached(trace, OptimalityGap.name),
            reached_worst=_reached(trace, WorstNodeGap.name),
            trace={
                "iteration": trace.iteration,
                **{key: [finite(v, digits=6) for v in values] for key, values in measures.items()},
                **_columns(trace.spent),
                "seconds": [finite(s, digits=4) for s in trace.seconds],
            },
            setup_rounds=trace.setup.rounds,
            setup_numbers=trace.setup.numbers,
            weights=trace.weights,
            node_distances={} if distances is None else _rounded(distances),
        )

    @property
    def case(self) -> Case:
        """Return the case that the run belongs to."""
        return Case(self.dataset, self.topology, self.nodes)

    @property
    def iterations(self) -> int:
        """Return how many iterations the run made."""
        return int(self.trace["iteration"][-1])

    def needed(self, tolerance: float, quantity: str = "rounds", measure: str = "average") -> float:
        """Return the cost of reaching an optimality gap; infinite where it was not reached, or is not measured.

        Args:
            tolerance: the relative optimality gap.
            quantity: ``"iterations"``, ``"seconds"``, a field of :class:`.Cost`, or :data:`TOTAL_GRADIENTS`.
            measure: the optimality gap, one of :data:`~gnn_l2o.evaluation.metrics.MEASURES`.
        """
        times = self.reached_worst if measure == "worst" else self.reached
        then = times[tolerance_key(tolerance)] if times else None
        if then is None:
            return math.inf
        if quantity == TOTAL_GRADIENTS:  # files of earlier releases know no local solves
            return then["gradients"] + then.get("solve_gradients", 0)
        return then[quantity]

    def spent(self, quantity: str) -> list[float]:
        """Return what was spent up to each checkpoint; the quantities are those of :meth:`needed` but for seconds."""
        if quantity != TOTAL_GRADIENTS:
            return self.trace[quantity]
        columns = [self.trace[name] for name in ("gradients", "solve_gradients") if name in self.trace]
        return [sum(values) for values in zip(*columns, strict=True)]

    def last_gap(self, measure: str = "average") -> float | None:
        """Return an optimality gap at the end; ``None`` where it is not finite or not measured."""
        if MEASURES[measure] is OptimalityGap:
            return self.final_gap
        return self.trace.get(file_key(MEASURES[measure].name), [None])[-1]


def file_key(metric: str) -> str:
    """Return what a metric is called in the file, ``"consensus"`` for ``"consensus_error"``."""
    return FILE_KEYS.get(metric, metric)


def tolerance_key(tolerance: float) -> str:
    """Return what a tolerance is called in the file, ``"1e-04"``."""
    return f"{tolerance:.0e}"


def finite(value: float, digits: int | None = None) -> float | None:
    """Return the number, or ``None`` for what JSON cannot hold."""
    if not math.isfinite(value):
        return None
    return value if digits is None else float(f"{value:.{digits}g}")


def _reached(trace: Trace, metric: str) -> dict[str, dict[str, float] | None]:
    if metric not in trace.measures:
        return {}
    positions = {tolerance_key(t): trace.reached(t, metric) for t in TOLERANCES}
    return {key: None if k is None else _spent(trace, k) for key, k in positions.items()}


def _without_folders(spec: str) -> str:
    """Return a spec with file names for paths, made unique by a few digits: ``"mine-3f2a:p=0.3"``."""

    def short(part: re.Match[str]) -> str:
        path = Path(part[0])
        digits = hashlib.sha256(part[0].encode()).hexdigest()[:4]
        return f"{path.stem}-{digits}" if path.suffix == ".py" or path.is_absolute() else part[0]

    return re.sub(r"[^:,=]+", short, spec)


def _rounded(distances: NodeDistances) -> dict[str, list[Any]]:
    values = [[finite(v, digits=3) for v in row] for row in distances.values]
    return {"iteration": distances.iterations, "distance": values}


def _spent(trace: Trace, position: int) -> dict[str, float]:
    return {
        "iterations": trace.iteration[position],
        **asdict(trace.spent[position]),
        "seconds": trace.seconds[position],
    }


def _columns(spent: Sequence[Cost]) -> dict[str, list[int]]:
    rows = [asdict(cost) for cost in spent]
    return {name: [row[name] for row in rows] for name in rows[0]}
