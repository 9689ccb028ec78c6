"""The page, the table of values and the heat maps that show several evaluations together."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gnn_l2o._utils.figures import save_figure
from gnn_l2o._utils.files import write_text
from gnn_l2o.evaluation.comparison import interval_columns, pairs_columns
from gnn_l2o.evaluation.figures import FOLDER, FORMATS, figure_links
from gnn_l2o.evaluation.heat_map import draw_heat_map
from gnn_l2o.evaluation.overview import Entry, classes, references, tolerances
from gnn_l2o.evaluation.record import CLASSES
from gnn_l2o.evaluation.results_file import to_csv
from gnn_l2o.evaluation.speedups import Paired, Rounds, Speedup
from gnn_l2o.evaluation.tables import Table, count, gaps, optimality_gap
from gnn_l2o.evaluation.totals import Comparison, total, worst

OVERVIEW = "overview"
WORST = 10
BEST = "best handcrafted"
KEY = (
    "Rounds are communication rounds to a relative optimality gap of {gap}: the median over the instances / the"
    " number within which 90 % of them are done (below ten instances, the slowest); '-' means not reached. A speed-up"
    " is the median over the instances of the ratio on the same instance; instances on which neither algorithm arrived"
    " are left out. '[a, b]' is its 95 % bootstrap interval, from 5 instances on, with ratios infinite or 0 where one"
    " did not arrive; 'k of n' says on how many of the instances the model was faster. '>' is a lower bound: the"
    " method had not reached the optimality gap when the runs ended; '<' is an upper bound: the model had not. A model"
    " is behind where it needs more rounds, or where only the other algorithm reaches the optimality gap. '!': runs"
    " of the model diverged."
)


def save_overview(entries: Sequence[Entry], folder: Path, command: str) -> None:
    """Write ``overview.md``, ``overview.csv`` and a heat map for each model below ``figures/``.

    The first model's heat map is ``overview.png`` and ``.svg``; those of others end in their names.
    """
    for model in _models(entries):
        figure = functools.partial(draw_heat_map, _of(entries, model))
        save_figure(folder / FOLDER / _figure_name(entries, model), figure, FORMATS)
    write_text(folder / f"{OVERVIEW}.md", overview_page(entries, command, folder))
    write_text(folder / f"{OVERVIEW}.csv", to_csv(_values(entry, list(references(entries))) for entry in entries))


def overview_page(entries: Sequence[Entry], command: str, folder: Path | None = None) -> str:
    """Return the overview as Markdown, with :func:`.figure_links` of the folder to the figures beside it."""
    shown = [totals(entries), worst_cases(entries, details=True), alone(entries), all_cases(entries)]
    parts = ["# Overview", f"    {command}", KEY.format(gap=gaps(tolerances(entries))), *firsts(entries)]
    parts += figure_links({_figure_name(entries, model): model for model in _models(entries)}, folder)
    for table in shown:
        parts += [f"## {table.title}", table.markdown()] if table.rows else []
    return "\n\n".join(parts) + "\n"


def totals(entries: Sequence[Entry]) -> Table:
    """Return median speed-ups and the number of cases in which a model is behind, of all and of each dataset."""
    datasets = dict.fromkeys(e.case.dataset for e in entries)
    labels, kinds = references(entries), classes(entries)
    rows = []
    for model in _models(entries):
        for dataset in (None, *datasets) if len(datasets) > 1 else (None,):
            mine = [e for e in _of(entries, model) if dataset in (None, e.case.dataset)]
            if not mine:  # the model did not run on this dataset
                continue
            over = total(mine)
            row = {"model": model, "dataset": dataset or "all", "cases": str(over.best.cases)}
            compared = {BEST: over.best}
            compared |= {f"best of {label}": over.classes.get(key, _NOWHERE) for key, label in kinds.items()}
            compared |= {label: over.references.get(name, _NOWHERE) for name, label in labels.items()}
            for label, comparison in compared.items():
                behind = f"{comparison.behind} of {comparison.cases}"
                row |= {f"over {label}": _written(comparison.speedup), f"behind {label}": behind}
            rows.append({**row, "runs": str(over.runs), "diverged": str(over.diverged)})
    to = gaps(tolerances(entries))
    title = (
        f"Speed-ups in rounds to an optimality gap of {to}, medians over the cases, and in how many the model is behind"
    )
    bold = tuple(k for k, row in enumerate(rows) if row["dataset"] == "all") if len(datasets) > 1 else ()
    essential = ("model", "dataset", "cases", f"over {BEST}", f"behind {BEST}")
    return Table(title, rows, ("model", "dataset"), bold, essential=essential)


def worst_cases(entries: Sequence[Entry], count: int = WORST, *, details: bool = False) -> Table:
    """Return the cases in which each model does worst beside the best handcrafted method.

    Args:
        entries: of all cases.
        count: how many of each model.
        details: whether speed-ups have intervals, and the best of each class of methods has columns.
    """
    found = [e for model in _models(entries) for e in worst(_of(entries, model), count)]
    rows = _rows(found, entries, details=details)
    return Table("The cases where the model does worst", rows, _WORDS, essential=_ESSENTIAL)


def all_cases(entries: Sequence[Entry]) -> Table:
    """Return all cases in which models stand beside handcrafted methods."""
    found = [entry for entry in entries if entry.over_best is not None]
    return Table("All cases", _rows(found, entries, details=True), _WORDS)


def alone(entries: Sequence[Entry]) -> Table:
    """Return the cases where models run without handcrafted methods, and how many runs diverged."""
    rows = [
        {
            **_place(entry),
            "iterations": str(entry.iterations),
            "runs": str(entry.instances),
            "diverged": str(entry.diverged),
            "largest final optimality gap": optimality_gap(entry.final_gap) if math.isfinite(entry.final_gap) else "-",
        }
        for entry in entries
        if entry.over_best is None
    ]
    return Table("The model alone", rows, _WORDS)


def firsts(entries: Sequence[Entry]) -> list[str]:
    """Return a line that says in how many cases which handcrafted method was the fastest, if any was."""
    winners = {(e.run, e.case): e.label(e.best.name) for e in entries if e.best.name is not None}
    counts = Counter(winners.values())
    first = ", ".join(f"{label} in {count}" for label, count in counts.most_common())
    return [f"First of the handcrafted methods: {first} of {counts.total()} cases."] if counts else []


_WORDS = ("dataset", "topology", "model", BEST, *(f"best of {label}" for label in CLASSES.values()))
_ESSENTIAL = ("dataset", "topology", "nodes", "model", "rounds", f"over {BEST}")
_NOWHERE = Comparison(0, None, 0)  # a class of which no method ran


def _rows(shown: Sequence[Entry], entries: Sequence[Entry], *, details: bool) -> list[dict[str, str]]:
    labels, kinds = references(entries), classes(entries) if details else {}
    return [_row(entry, labels, kinds, _paired if details else _short) for entry in shown]


def _row(
    entry: Entry, labels: Mapping[str, str], kinds: Mapping[str, str], write: Callable[[Paired | None], str]
) -> dict[str, str]:
    best = {BEST: entry.best, **{f"best of {label}": entry.classes[key] for key, label in kinds.items()}}
    others = {label: entry.references.get(name) for name, label in labels.items()}
    rounds = {**{heading: one.rounds for heading, one in best.items()}, **others}
    return {
        **_place(entry),
        "rounds": _spelled(entry.rounds) + ("!" if entry.diverged else ""),
        **{heading: f"{entry.label(b.name)}: {_spelled(b.rounds)}" if b.name else "-" for heading, b in best.items()},
        **{label: _spelled(other) for label, other in others.items()},
        **{f"over {heading}": write(entry.beside(other)) for heading, other in rounds.items()},
        "diverged": f"{entry.diverged} of {entry.instances}",
    }


def _place(entry: Entry) -> dict[str, str]:
    case = entry.case
    return {"dataset": case.dataset, "topology": case.topology, "nodes": str(case.nodes), "model": entry.model}


def _spelled(rounds: Rounds | None) -> str:
    if rounds is None:
        return ""
    return " / ".join(count(v) if math.isfinite(v) else "-" for v in (rounds.median, rounds.percentile90))


def _written(speedup: Speedup | None) -> str:
    return "" if speedup is None else str(speedup)


def _short(paired: Paired | None) -> str:
    return "" if paired is None else str(paired.speedup)


def _paired(paired: Paired | None) -> str:
    return "" if paired is None else str(paired)


def _values(entry: Entry, names: Sequence[str]) -> dict[str, Any]:
    """Return a row for a machine: numbers, empty where there are none or none that is finite."""
    row: dict[str, Any] = {
        "run": entry.run,
        **entry.case._asdict(),
        "model": entry.model,
        "tolerance": entry.tolerance,
        "iterations": entry.iterations,
        "instances": entry.instances,
        "diverged": entry.diverged,
        "final_gap": entry.final_gap,
    }
    best = {"best_handcrafted": entry.best, **{f"best_{key}": one for key, one in entry.classes.items()}}
    row |= {key: one.name for key, one in best.items()}
    others = {key: one.rounds for key, one in best.items()}
    others |= {name: entry.references.get(name) for name in names}
    for name, rounds in {"model": entry.rounds, **others}.items():
        row[f"{name}_rounds"] = rounds and rounds.median
        row[f"{name}_rounds_90"] = rounds and rounds.percentile90
        row |= interval_columns(f"{name}_rounds", rounds)
    for name, rounds in others.items():
        paired = entry.beside(rounds)
        key = f"speedup_vs_{name}"
        row |= {f"{key}_min": paired and paired.speedup.min, f"{key}_max": paired and paired.speedup.max}
        row |= interval_columns(key, paired)
        row |= pairs_columns(key, paired)
    return {key: None if isinstance(value, float) and math.isinf(value) else value for key, value in row.items()}


def _models(entries: Sequence[Entry]) -> list[str]:
    """Return the models that stand beside handcrafted methods somewhere."""
    return list(dict.fromkeys(entry.model for entry in entries if entry.over_best is not None))


def _of(entries: Sequence[Entry], model: str) -> list[Entry]:
    return [entry for entry in entries if entry.model == model]


def _figure_name(entries: Sequence[Entry], model: str) -> str:
    return OVERVIEW if model == _models(entries)[0] else f"{OVERVIEW}_{model}"
