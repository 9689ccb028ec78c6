"""The record of one run, as it stands in the results file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.evaluation.runner import Trace

TOLERANCES = tuple(float(f"1e-{k}") for k in range(1, 16))
"""The gaps that a record knows when they were reached; optima are certified to 1e-12, below that is rounding."""


class Cell(NamedTuple):
    """Where runs are compared with each other: a dataset on a kind of network of one size."""

    dataset: str
    topology: str
    nodes: int

    def __str__(self) -> str:
        return f"{self.dataset}, {self.topology}, {self.nodes} nodes"


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
        diverged: whether the run was lost.
        final_gap: relative gap where it ended.
        final_consensus: relative consensus error there.
        seconds: wall time of all steps.
        rounds_per_iteration: communication rounds of an iteration, as the algorithm declares them.
        vectors_per_edge_per_iteration: vectors sent along each edge in each direction an iteration, likewise.
        reached: for each tolerance when the gap first was at most that: iterations, and the rounds, vectors, gradients
            and proxes that network and problem counted until then, and seconds; or ``None``.
        trace: at the checkpoints the iteration, gap and consensus (to six digits), rounds, vectors, gradients, proxes;
            the accuracy, where there are test samples.
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

    @classmethod
    def from_trace(
        cls,
        trace: Trace,
        cost: Cost,
        *,
        algorithm: str,
        cell: Cell,
        instance: int,
        step_size: float | None = None,
        parameters: Mapping[str, float] | None = None,
    ) -> Run:
        """Return the record of a run that was measured; ``cost`` is what the algorithm declares of an iteration."""
        return cls(
            algorithm=algorithm,
            **cell._asdict(),
            instance=instance,
            step_size=step_size,
            parameters=dict(parameters or {}),
            diverged=trace.diverged,
            final_gap=finite(trace.gap[-1]),
            final_consensus=finite(trace.consensus[-1]),
            seconds=trace.seconds[-1],
            rounds_per_iteration=cost.rounds,
            vectors_per_edge_per_iteration=cost.vectors,
            reached={tolerance_key(t): _reached(trace, t) for t in TOLERANCES},
            trace={
                "iteration": trace.iteration,
                "gap": [finite(v, digits=6) for v in trace.gap],
                "consensus": [finite(v, digits=6) for v in trace.consensus],
                **({"accuracy": [finite(v, digits=6) for v in trace.accuracy]} if trace.accuracy else {}),
                **_columns(trace.spent),
            },
        )

    @property
    def cell(self) -> Cell:
        """Return where the run belongs."""
        return Cell(self.dataset, self.topology, self.nodes)

    @property
    def iterations(self) -> int:
        """Return how many iterations it made."""
        return int(self.trace["iteration"][-1])


def tolerance_key(tolerance: float) -> str:
    """Return what a tolerance is called in the file, ``"1e-04"``."""
    return f"{tolerance:.0e}"


def finite(value: float, digits: int | None = None) -> float | None:
    """Return the number, or ``None`` for what JSON cannot hold."""
    if not math.isfinite(value):
        return None
    return value if digits is None else float(f"{value:.{digits}g}")


def _reached(trace: Trace, tolerance: float) -> dict[str, float] | None:
    position = trace.reached(tolerance)
    if position is None:
        return None
    return {
        "iterations": trace.iteration[position],
        **asdict(trace.spent[position]),
        "seconds": trace.seconds[position],
    }


def _columns(spent: Sequence[Cost]) -> dict[str, list[int]]:
    rows = [asdict(cost) for cost in spent]
    return {name: [row[name] for row in rows] for name in rows[0]}
