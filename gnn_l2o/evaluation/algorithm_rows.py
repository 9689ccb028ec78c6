"""A row for each case, tolerance and algorithm: what it needed, for a machine to read."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from gnn_l2o.evaluation.comparison import SUMMARIZED, interval_columns
from gnn_l2o.evaluation.record import TOTAL_GRADIENTS, Case

if TYPE_CHECKING:
    from gnn_l2o.evaluation.results import Results

ALGORITHMS = "algorithms.csv"

SPENT = {
    "iterations": "iterations",
    "vectors": "vectors",
    "gradients": TOTAL_GRADIENTS,
    "solves": "solves",
    "seconds": "seconds",
}
"""The quantities beside the rounds, by the name of their column."""


def algorithm_rows(results: Results) -> list[dict[str, Any]]:
    """Return a row for each case, tolerance and algorithm, limits included.

    Costs are medians over the instances, ``None`` where the tolerance was not reached on most; ``rounds_low`` and
    ``rounds_high`` are the ends of the bootstrap interval. ``reached`` says on how many of the ``instances`` the
    algorithm arrived, ``diverged`` on how many it diverged; ``setting`` is the tuned one, as JSON.
    """
    return [
        _row(results, case, tolerance, name)
        for case in results.cases
        for tolerance in SUMMARIZED
        for name in results.algorithms(case)
    ]


def _row(results: Results, case: Case, tolerance: float, name: str) -> dict[str, Any]:
    runs, rounds = results.select(case, name), results.rounds(case, name, tolerance)
    assert rounds is not None  # it has runs
    setting = runs[0].parameters
    return {
        **case._asdict(),
        "tolerance": tolerance,
        "algorithm": name,
        "class": results.class_of(name),
        "instances": len(runs),
        "reached": sum(math.isfinite(r) for r in rounds.by_instance.values()),
        "diverged": sum(run.diverged for run in runs),
        "rounds": results.median(case, name, tolerance),
        **interval_columns("rounds", rounds),
        **{column: results.median(case, name, tolerance, quantity) for column, quantity in SPENT.items()},
        "final_optimality_gap": results.final_gap(case, name),
        "setting": json.dumps(setting) if setting else None,
    }
