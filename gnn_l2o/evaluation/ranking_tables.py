"""The algorithms of a case in the order of their rounds, class after class, with all that they spent."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from gnn_l2o.evaluation import comparison
from gnn_l2o.evaluation.bootstrap import median_interval
from gnn_l2o.evaluation.metrics import MEASURES, WorstNodeGap
from gnn_l2o.evaluation.record import CLASSES, OF_LIMITS, SHOWN, TOTAL_GRADIENTS, Case
from gnn_l2o.evaluation.results import Results
from gnn_l2o.evaluation.tables import Table, between, count, gaps, optimality_gap, without_empty

FINAL_GAP = "final optimality gap"
UNITS = {"1": "", "1/L": "/L", "L": " L", "curvature": " mean curvature"}
SPREAD = (1e-2, 1e-4, 1e-6, 1e-8)
"""The relative optimality gaps of :func:`rounds_table`."""


def ranking(results: Results, case: Case, tolerances: Sequence[float] = SHOWN, *, details: bool = False) -> Table:
    """Return the algorithms of a case, class after class, in each the fastest first, with what they needed.

    Numbers are medians over the instances. Gradients are those of a node, the ones inside local solves included. The
    limits come last and have no rank.

    Args:
        results: of the evaluation.
        case: the case.
        tolerances: the relative optimality gaps to which costs are counted.
        details: whether the table has iterations and vectors, intervals of the rounds, times of an iteration, and the
            final values of all metrics.
    """
    names, rows = _by_class(results, case, tolerances), []
    worst, other = _other_measure(results)
    has_setup, metrics = results.has_setup, _final_metrics(results) if details else {}
    for group, members in names.items():
        for rank, name in enumerate(members, start=1):
            row = {"class": group if rank == 1 and len(names) > 1 else ""}
            row |= {"rank": "" if group == OF_LIMITS else str(rank), "algorithm": results.label(name)}
            row["rounds"] = rounds_needed(results, case, name, tolerances, intervals=details)
            row[worst] = rounds_needed(results, case, name, tolerances, measure=other) if other else ""
            row["gradients"] = _needed(results, case, name, tolerances, TOTAL_GRADIENTS)
            row["seconds"] = _needed(results, case, name, tolerances, "seconds")
            row["set-up rounds"] = _setup(results, case, name) if has_setup else ""
            if details:
                row |= {quantity: _needed(results, case, name, tolerances, quantity) for quantity in _DETAILS}
                row["ms / iteration"] = f"{_milliseconds(results, case, name):.3g}"
            gap = results.final_gap(case, name)
            row[FINAL_GAP] = ("" if gap is None else optimality_gap(gap)) + divergence(results, case, name) or "-"
            row |= {heading: _final(results, case, name, metric) for heading, metric in metrics.items()}
            rows.append({**row, "tuned setting": _setting(results, case, name)})
    in_order = [name for members in names.values() for name in members]
    bold = tuple(k for k, name in enumerate(in_order) if name in results.models)
    title = (
        f"{case}: costs to a relative optimality gap{of_worst(results)} of {gaps(tolerances)}, medians over the"
        " instances"
    )
    essential = ("class", "rank", "algorithm", "rounds", FINAL_GAP)
    return Table(title, _shown(rows), ("class", "algorithm", "tuned setting"), bold, _parts(names), essential)


def rounds_table(results: Results, case: Case, tolerances: Sequence[float] = SPREAD) -> Table:
    """Return the rounds of all algorithms of a case from a rough to a precise solution, with intervals.

    Args:
        results: of the evaluation.
        case: the case.
        tolerances: the relative optimality gaps, a column each.
    """
    names, rows = _by_class(results, case, SHOWN), []
    for group, members in names.items():
        for rank, name in enumerate(members, start=1):
            row = {"class": group if rank == 1 and len(names) > 1 else "", "algorithm": results.label(name)}
            row |= {gaps([t]): rounds_needed(results, case, name, [t], intervals=True) for t in tolerances}
            rows.append(row)
    title = f"Rounds to a relative optimality gap{of_worst(results)} of {gaps(tolerances)}"
    return Table(title, without_empty(rows), ("class", "algorithm"), (), _parts(names))


def rounds_needed(
    results: Results,
    case: Case,
    name: str,
    tolerances: Sequence[float],
    *,
    intervals: bool = False,
    measure: str | None = None,
) -> str:
    """Return the rounds to each tolerance, medians over the instances, ``"183 [170, 201] / -"``.

    Args:
        results: of the evaluation.
        case: the case.
        name: the algorithm.
        tolerances: the relative optimality gaps.
        intervals: whether bootstrap intervals follow, where there are enough instances.
        measure: the optimality gap; by default that of the results.
    """
    values = [list(results.needed(case, name, t, measure=measure).values()) for t in tolerances]
    medians = [statistics.median(v or [math.inf]) for v in values]
    shown = [intervals and math.isfinite(m) for m in medians]
    ends = [between(median_interval(v)) if show else "" for v, show in zip(values, shown, strict=True)]
    return " / ".join(count(m) + end for m, end in zip(medians, ends, strict=True))


def divergence(results: Results, case: Case, name: str) -> str:
    """Return ``"!"`` if a run of the algorithm diverged, else nothing."""
    return "!" if any(run.diverged for run in results.select(case, name)) else ""


def of_worst(results: Results) -> str:
    """Return what titles say where rounds are counted to the optimality gap of the worst node, else nothing."""
    return " of the worst node" if results.measure == "worst" else ""


_DETAILS = ("iterations", "vectors")


def _by_class(results: Results, case: Case, tolerances: Sequence[float]) -> dict[str, list[str]]:
    """Return the algorithms of a case in the order of the ranking, by class, the limits last."""
    ranked = comparison.ranking(results, case, tolerances)
    found = {label: [n for n in ranked if results.class_of(n) == label] for label in (*CLASSES.values(), OF_LIMITS)}
    return {label: names for label, names in found.items() if names}


def _parts(names: dict[str, list[str]]) -> tuple[int, ...]:
    sizes = [len(members) for members in names.values()]
    return tuple(sum(sizes[:k]) for k in range(1, len(sizes)))


def _other_measure(results: Results) -> tuple[str, str | None]:
    """Return the heading of the rounds to the other optimality gap, and its name; ``None`` if it is not measured."""
    if results.measure == "worst":
        return "rounds, average", "average"
    return "rounds, worst node", "worst" if results.measures(WorstNodeGap.name) else None


def _shown(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return rows without empty columns, but with the column of tuned settings in any case."""
    filled = without_empty(rows)
    return [{**row, "tuned setting": full["tuned setting"]} for row, full in zip(filled, rows, strict=True)]


def _setup(results: Results, case: Case, name: str) -> str:
    counted = [run.setup_rounds for run in results.select(case, name) if run.setup_rounds is not None]
    return count(statistics.median(counted)) if counted else "-"


def _needed(results: Results, case: Case, name: str, tolerances: Sequence[float], quantity: str) -> str:
    values = [results.median(case, name, t, quantity) for t in tolerances]
    return " / ".join("-" if v is None else f"{v:.3g}" if quantity == "seconds" else count(v) for v in values)


def _final_metrics(results: Results) -> dict[str, str]:
    """Return all metrics that were measured but the optimality gap, by their headings."""
    return {
        f"final {description['label']}": metric
        for metric, description in results.metrics.items()
        if metric != MEASURES[results.measure].name and results.measures(metric)
    }


def _final(results: Results, case: Case, name: str, metric: str) -> str:
    value = results.final(case, name, metric)
    if value is None:
        return "-"
    return optimality_gap(value) if metric == WorstNodeGap.name else f"{value:.3g}"


def _milliseconds(results: Results, case: Case, name: str) -> float:
    times = [1000 * run.seconds / max(run.iterations, 1) for run in results.select(case, name)]
    return statistics.median(times)


def _setting(results: Results, case: Case, name: str) -> str:
    """Return the tuned parameters of a method in a case, with their units."""
    parameters = results.select(case, name)[0].parameters
    units = results.methods.get(name, {}).get("units", {})
    return ", ".join(f"{key} {value:.3g}{UNITS[units.get(key, '1')]}" for key, value in parameters.items())
