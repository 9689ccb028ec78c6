"""Small results, and entries of an overview with these medians."""

import dataclasses
import math
from collections.abc import Sequence

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.evaluation import Results, Run, Trace
from gnn_l2o.evaluation.overview import Best, Entry
from gnn_l2o.evaluation.record import Case
from gnn_l2o.evaluation.speedups import Rounds
from tests.evaluation.small_cases import RING

NEVER = math.inf
HORIZON = 1000  # iterations


def results(*models: str, handcrafted: Sequence[str] = ("prox_ed", "dapg")) -> Results:
    names = {"models": dict.fromkeys(models or ("ours",), "0"), "handcrafted": list(handcrafted), "tuned": ["ruled"]}
    return Results("a test", 0, {**names, "iterations": HORIZON, "tuning_tolerance": 1e-4})


def add(found: Results, case: Case, algorithm: str, rounds: Sequence[int | None], *, each: int = 1) -> None:
    """Add an instance for each of these rounds to a gap of 1e-4: ``None`` for never, negative for divergence there."""
    for number, spent in enumerate(rounds):
        last, gap = (HORIZON, 2e-4) if spent is None else (abs(spent) // each, 1e-4 if spent > 0 else math.nan)
        costs = [Cost(0), Cost(each * last)]
        trace = Trace([0, last], {"optimality_gap": [1.0, gap]}, [0.0, 1.0], costs, diverged=math.isnan(gap))
        found.runs.append(Run.from_trace(trace, Cost(each, each), algorithm=algorithm, case=case, instance=number))


def entry(model: float, best: float | None, prox_ed: float | None = None, **changes: object) -> Entry:
    """Return an entry with these medians."""

    def rounds(median: float | None) -> Rounds | None:
        return None if median is None else Rounds({0: median}, HORIZON)

    name = "prox_ed" if best not in (None, NEVER) else None
    made = Entry("", RING, "ours", HORIZON, 1e-4, 3, 0, 1e-9, Rounds({0: model}, HORIZON), Best(name, rounds(best)))
    references = {"prox_ed": rounds(prox_ed)}
    made = dataclasses.replace(made, references=references, labels={"prox_ed": "Prox-ED"})
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]
