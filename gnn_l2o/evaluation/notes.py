"""What a reader of an evaluation's tables should know besides, in lines of text."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

from gnn_l2o.evaluation.record import Cell
from gnn_l2o.evaluation.results import Results

KEY = "'-' means not reached, '!' that a run diverged; 'a / b' stands for one number for each gap."


def sources(results: Results) -> list[str]:
    """Return a line for each dataset of real data that says where it is from."""
    return [f"{dataset}: {source}" for dataset, source in results.sources.items()]


def skipped(results: Results, names: Container[str] | None = None) -> list[str]:
    """Return a line for each algorithm and each reason for which it was left out.

    Args:
        results: what was found.
        names: of whom; by default of all.
    """
    places: dict[tuple[str, str], list[Cell]] = {}
    for entry in results.skipped:
        if names is None or entry["algorithm"] in names:
            places.setdefault((entry["algorithm"], entry["reason"]), []).append(Cell(**entry["cell"]))
    return [f"{name} is left out {_where(results, cells)}: {reason}" for (name, reason), cells in places.items()]


def tuning(results: Results) -> list[str]:
    """Return a line for each thing that tuning found worth a warning, and the cells where it did."""
    places: dict[str, list[Cell]] = {}
    for entry in results.tuning:
        for warning in entry["warnings"]:
            places.setdefault(warning, []).append(Cell(**entry["cell"]))
    return [f"{warning} ({_where(results, cells)})" for warning, cells in places.items()]


def in_short(results: Results, named: Container[str]) -> list[str]:
    """Return what to say besides the tables on a screen: all about those who were named, the rest summed up."""
    lines = [f"note: {line}" for line in (*sources(results), *skipped(results, named))]
    others = [entry["algorithm"] for entry in results.skipped if entry["algorithm"] not in named]
    if others:
        lines.append(f"note: left out where they do not apply: {_join(others)} (report.md says why)")
    warned = [entry["algorithm"] for entry in results.tuning if entry["warnings"]]
    if warned:
        lines.append(f"note: report.md has notes on the tuning of {_join(warned)}")
    return lines


def _join(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))


def _where(results: Results, cells: Sequence[Cell]) -> str:
    return "everywhere" if set(cells) >= set(results.cells) else "on " + "; on ".join(map(str, cells))
