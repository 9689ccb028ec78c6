"""The page, the table of values and the heat maps that show several evaluations together."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gnn_l2o._utils.files import write_atomically, write_text
from gnn_l2o.evaluation.contestants import METHODS
from gnn_l2o.evaluation.figures import FOLDER, FORMATS
from gnn_l2o.evaluation.heat_map import draw_heat_map
from gnn_l2o.evaluation.overview import Entry, Rounds, Speedup, tolerances, total, worst
from gnn_l2o.evaluation.results import to_csv
from gnn_l2o.evaluation.tables import Table, count, gaps

OVERVIEW = "overview"
WORST = 10
BEST, ED = "best handcrafted", "Prox-ED"
KEY = (
    "Rounds are communication rounds to a relative gap of {gap}: the median over the instances / the number within"
    " which 90 % of them are done (below ten instances, the slowest); '-' means not reached. Speed-ups compare medians;"
    " '>' is at least: the method was not there when the runs ended, '<' at most: the model was not. A model is behind"
    " where it needs more rounds, or alone does not get there. '!': runs of the model diverged."
)


def save_overview(entries: Sequence[Entry], folder: Path, command: str) -> None:
    """Write ``overview.md``, ``overview.csv`` and a heat map for each model below ``figures/``.

    The first model's heat map is ``overview.png`` and ``.svg``; those of others end in their names.
    """
    write_text(folder / f"{OVERVIEW}.md", overview_page(entries, command))
    write_text(folder / f"{OVERVIEW}.csv", to_csv(map(_values, entries)))
    for model in _models(entries):
        figure = draw_heat_map(_of(entries, model))
        for ending in FORMATS:
            path = folder / FOLDER / f"{_figure_name(entries, model)}.{ending}"
            write_atomically(path, functools.partial(figure.savefig, dpi=150))


def overview_page(entries: Sequence[Entry], command: str) -> str:
    """Return the overview as Markdown, with links to the figures in a folder beside it."""
    tables = [totals(entries), worst_cells(entries), alone(entries), all_cells(entries)]
    parts = ["# Overview", f"    {command}", KEY.format(gap=gaps(tolerances(entries))), *firsts(entries)]
    for model in _models(entries):
        parts.append(f"![{model}]({FOLDER}/{_figure_name(entries, model)}.png)")
    for table in tables:
        parts += [f"## {table.title}", table.markdown()] if table.rows else []
    return "\n\n".join(parts) + "\n"


def totals(entries: Sequence[Entry]) -> Table:
    """Return the medians of the speed-ups and the cells where a model is behind, over all and for each dataset."""
    datasets = dict.fromkeys(e.cell.dataset for e in entries)
    rows = []
    for model in _models(entries):
        for dataset in (None, *datasets) if len(datasets) > 1 else (None,):
            over = total(e for e in _of(entries, model) if dataset in (None, e.cell.dataset))
            rows.append(
                {
                    "model": model,
                    "dataset": dataset or "all",
                    "cells": str(over.cells),
                    f"over {BEST}": _written(over.over_best),
                    "behind": str(over.behind_best),
                    f"over {ED}": _written(over.over_prox_ed),
                    "behind it": str(over.behind_prox_ed),
                    "runs": str(over.runs),
                    "diverged": str(over.diverged),
                }
            )
    to = gaps(tolerances(entries))
    title = f"Speed-ups in rounds to a gap of {to}, medians over the cells, and in how many it is behind"
    bold = tuple(k for k, row in enumerate(rows) if row["dataset"] == "all") if len(datasets) > 1 else ()
    return Table(title, rows, ("model", "dataset"), bold)


def worst_cells(entries: Sequence[Entry], most: int = WORST) -> Table:
    """Return the cells in which each model does worst beside the best handcrafted method."""
    rows = [_row(entry) for model in _models(entries) for entry in worst(_of(entries, model), most)]
    return Table("The cells where the model does worst", rows, _WORDS)


def all_cells(entries: Sequence[Entry]) -> Table:
    """Return all cells in which models stand beside handcrafted methods."""
    return Table("All cells", [_row(entry) for entry in entries if entry.over_best is not None], _WORDS)


def alone(entries: Sequence[Entry]) -> Table:
    """Return the cells where models run without handcrafted methods: through how many iterations, how many are lost."""
    rows = [
        {
            **_place(entry),
            "iterations": str(entry.iterations),
            "runs": str(entry.instances),
            "diverged": str(entry.diverged),
            "largest final gap": f"{entry.final_gap:.1e}" if math.isfinite(entry.final_gap) else "-",
        }
        for entry in entries
        if entry.over_best is None
    ]
    return Table("The model alone", rows, _WORDS)


def firsts(entries: Sequence[Entry]) -> list[str]:
    """Return a line that says in how many cells which handcrafted method was first, if any was."""
    winners = {(e.run, e.cell): e.best for e in entries if e.best is not None}
    counts = Counter(map(_label, winners.values()))
    first = ", ".join(f"{label} in {count}" for label, count in counts.most_common())
    return [f"First of the handcrafted methods: {first} of {counts.total()} cells."] if counts else []


_WORDS = ("dataset", "topology", "model", BEST)


def _row(entry: Entry) -> dict[str, str]:
    return {
        **_place(entry),
        "rounds": _spelled(entry.rounds) + ("!" if entry.diverged else ""),
        BEST: f"{_label(entry.best)}: {_spelled(entry.best_rounds)}" if entry.best else "-",
        ED: _spelled(entry.prox_ed_rounds),
        f"over {BEST}": _written(entry.over_best),
        f"over {ED}": _written(entry.over_prox_ed),
        "diverged": f"{entry.diverged} of {entry.instances}",
    }


def _label(name: str) -> str:
    return METHODS[name].label if name in METHODS else name


def _place(entry: Entry) -> dict[str, str]:
    cell = entry.cell
    return {"dataset": cell.dataset, "topology": cell.topology, "nodes": str(cell.nodes), "model": entry.model}


def _spelled(rounds: Rounds | None) -> str:
    if rounds is None:
        return ""
    return " / ".join(count(v) if math.isfinite(v) else "-" for v in (rounds.median, rounds.percentile90))


def _written(speedup: Speedup | None) -> str:
    return "" if speedup is None else str(speedup)


def _values(entry: Entry) -> dict[str, Any]:
    """Return a row for a machine: numbers, empty where there are none or none that is finite."""
    row = {
        "run": entry.run,
        **entry.cell._asdict(),
        "model": entry.model,
        "tolerance": entry.tolerance,
        "iterations": entry.iterations,
        "instances": entry.instances,
        "diverged": entry.diverged,
        "final_gap": entry.final_gap,
    }
    row["best_handcrafted"] = entry.best
    for name, rounds in (
        ("model", entry.rounds),
        ("best_handcrafted", entry.best_rounds),
        ("prox_ed", entry.prox_ed_rounds),
    ):
        row[f"{name}_rounds"] = rounds and rounds.median
        row[f"{name}_rounds_90"] = rounds and rounds.percentile90
    for name, speedup in (("best_handcrafted", entry.over_best), ("prox_ed", entry.over_prox_ed)):
        row[f"speedup_vs_{name}_least"] = speedup and speedup.least
        row[f"speedup_vs_{name}_most"] = speedup and speedup.most
    return {key: None if isinstance(value, float) and math.isinf(value) else value for key, value in row.items()}


def _models(entries: Sequence[Entry]) -> list[str]:
    """Return the models that stand beside handcrafted methods somewhere."""
    return list(dict.fromkeys(entry.model for entry in entries if entry.over_best is not None))


def _of(entries: Sequence[Entry], model: str) -> list[Entry]:
    return [entry for entry in entries if entry.model == model]


def _figure_name(entries: Sequence[Entry], model: str) -> str:
    return OVERVIEW if model == _models(entries)[0] else f"{OVERVIEW}_{model}"
