"""The page, the table of values and the heat maps that show several evaluations together."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gnn_l2o._utils.files import write_atomically, write_text
from gnn_l2o.evaluation.figures import FOLDER, FORMATS
from gnn_l2o.evaluation.heat_map import draw_heat_map
from gnn_l2o.evaluation.overview import Entry, Rounds, Speedup, references, tolerances, total, worst
from gnn_l2o.evaluation.results_file import to_csv
from gnn_l2o.evaluation.tables import Table, count, gaps

OVERVIEW = "overview"
WORST = 10
BEST = "best handcrafted"
KEY = (
    "Rounds are communication rounds to a relative optimality gap of {gap}: the median over the instances / the number"
    " within which 90 % of them are done (below ten instances, the slowest); '-' means not reached. Speed-ups compare"
    " medians; '>' is a lower bound: the method had not reached the gap when the runs ended; '<' is an upper bound: the"
    " model had not. A model is behind where it needs more rounds, or where only the other algorithm reaches the gap."
    " '!': runs of the model diverged."
)


def save_overview(entries: Sequence[Entry], folder: Path, command: str) -> None:
    """Write ``overview.md``, ``overview.csv`` and a heat map for each model below ``figures/``.

    The first model's heat map is ``overview.png`` and ``.svg``; those of others end in their names.
    """
    write_text(folder / f"{OVERVIEW}.md", overview_page(entries, command))
    write_text(folder / f"{OVERVIEW}.csv", to_csv(_values(entry, list(references(entries))) for entry in entries))
    for model in _models(entries):
        figure = draw_heat_map(_of(entries, model))
        for ending in FORMATS:
            path = folder / FOLDER / f"{_figure_name(entries, model)}.{ending}"
            write_atomically(path, functools.partial(figure.savefig, dpi=150))


def overview_page(entries: Sequence[Entry], command: str) -> str:
    """Return the overview as Markdown, with links to the figures in a folder beside it."""
    tables = [totals(entries), worst_cases(entries), alone(entries), all_cases(entries)]
    parts = ["# Overview", f"    {command}", KEY.format(gap=gaps(tolerances(entries))), *firsts(entries)]
    for model in _models(entries):
        parts.append(f"![{model}]({FOLDER}/{_figure_name(entries, model)}.png)")
    for table in tables:
        parts += [f"## {table.title}", table.markdown()] if table.rows else []
    return "\n\n".join(parts) + "\n"


def totals(entries: Sequence[Entry]) -> Table:
    """Return median speed-ups and the number of cases in which a model is behind, of all and of each dataset."""
    datasets = dict.fromkeys(e.case.dataset for e in entries)
    labels = references(entries)
    rows = []
    for model in _models(entries):
        for dataset in (None, *datasets) if len(datasets) > 1 else (None,):
            over = total(e for e in _of(entries, model) if dataset in (None, e.case.dataset))
            row = {"model": model, "dataset": dataset or "all", "cases": str(over.best.cases)}
            compared = {BEST: over.best}
            compared |= {label: over.references[name] for name, label in labels.items() if name in over.references}
            for label, comparison in compared.items():
                row |= {f"over {label}": _written(comparison.speedup), f"behind {label}": str(comparison.behind)}
            rows.append({**row, "runs": str(over.runs), "diverged": str(over.diverged)})
    to = gaps(tolerances(entries))
    title = (
        f"Speed-ups in rounds to an optimality gap of {to}, medians over the cases, and in how many the model is behind"
    )
    bold = tuple(k for k, row in enumerate(rows) if row["dataset"] == "all") if len(datasets) > 1 else ()
    return Table(title, rows, ("model", "dataset"), bold)


def worst_cases(entries: Sequence[Entry], count: int = WORST) -> Table:
    """Return the cases in which each model does worst beside the best handcrafted method."""
    rows = [_row(e, references(entries)) for model in _models(entries) for e in worst(_of(entries, model), count)]
    return Table("The cases where the model does worst", rows, _WORDS)


def all_cases(entries: Sequence[Entry]) -> Table:
    """Return all cases in which models stand beside handcrafted methods."""
    rows = [_row(entry, references(entries)) for entry in entries if entry.over_best is not None]
    return Table("All cases", rows, _WORDS)


def alone(entries: Sequence[Entry]) -> Table:
    """Return the cases where models run without handcrafted methods, and how many runs diverged."""
    rows = [
        {
            **_place(entry),
            "iterations": str(entry.iterations),
            "runs": str(entry.instances),
            "diverged": str(entry.diverged),
            "largest final optimality gap": f"{entry.final_gap:.1e}" if math.isfinite(entry.final_gap) else "-",
        }
        for entry in entries
        if entry.over_best is None
    ]
    return Table("The model alone", rows, _WORDS)


def firsts(entries: Sequence[Entry]) -> list[str]:
    """Return a line that says in how many cases which handcrafted method was the fastest, if any was."""
    winners = {(e.run, e.case): e.label(e.best) for e in entries if e.best is not None}
    counts = Counter(winners.values())
    first = ", ".join(f"{label} in {count}" for label, count in counts.most_common())
    return [f"First of the handcrafted methods: {first} of {counts.total()} cases."] if counts else []


_WORDS = ("dataset", "topology", "model", BEST)


def _row(entry: Entry, labels: Mapping[str, str]) -> dict[str, str]:
    row = {
        **_place(entry),
        "rounds": _spelled(entry.rounds) + ("!" if entry.diverged else ""),
        BEST: f"{entry.label(entry.best)}: {_spelled(entry.best_rounds)}" if entry.best else "-",
        **{label: _spelled(entry.references.get(name)) for name, label in labels.items()},
        f"over {BEST}": _written(entry.over_best),
        **{f"over {label}": _written(entry.over(name)) for name, label in labels.items()},
    }
    return {**row, "diverged": f"{entry.diverged} of {entry.instances}"}


def _place(entry: Entry) -> dict[str, str]:
    case = entry.case
    return {"dataset": case.dataset, "topology": case.topology, "nodes": str(case.nodes), "model": entry.model}


def _spelled(rounds: Rounds | None) -> str:
    if rounds is None:
        return ""
    return " / ".join(count(v) if math.isfinite(v) else "-" for v in (rounds.median, rounds.percentile90))


def _written(speedup: Speedup | None) -> str:
    return "" if speedup is None else str(speedup)


def _values(entry: Entry, names: Sequence[str]) -> dict[str, Any]:
    """Return a row for a machine: numbers, empty where there are none or none that is finite."""
    row = {
        "run": entry.run,
        **entry.case._asdict(),
        "model": entry.model,
        "tolerance": entry.tolerance,
        "iterations": entry.iterations,
        "instances": entry.instances,
        "diverged": entry.diverged,
        "final_gap": entry.final_gap,
        "best_handcrafted": entry.best,
    }
    others = {"best_handcrafted": entry.best_rounds, **{name: entry.references.get(name) for name in names}}
    for name, rounds in {"model": entry.rounds, **others}.items():
        row[f"{name}_rounds"] = rounds and rounds.median
        row[f"{name}_rounds_90"] = rounds and rounds.percentile90
    for name, speedup in {"best_handcrafted": entry.over_best, **{name: entry.over(name) for name in names}}.items():
        row[f"speedup_vs_{name}_min"] = speedup and speedup.min
        row[f"speedup_vs_{name}_max"] = speedup and speedup.max
    return {key: None if isinstance(value, float) and math.isinf(value) else value for key, value in row.items()}


def _models(entries: Sequence[Entry]) -> list[str]:
    """Return the models that stand beside handcrafted methods somewhere."""
    return list(dict.fromkeys(entry.model for entry in entries if entry.over_best is not None))


def _of(entries: Sequence[Entry], model: str) -> list[Entry]:
    return [entry for entry in entries if entry.model == model]


def _figure_name(entries: Sequence[Entry], model: str) -> str:
    return OVERVIEW if model == _models(entries)[0] else f"{OVERVIEW}_{model}"
