"""The tables of an evaluation: a ranking for each cell, and a summary over the cells."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import rich.table

from gnn_l2o.algorithms.tunable import Range
from gnn_l2o.evaluation.contestants import METHODS
from gnn_l2o.evaluation.record import Cell
from gnn_l2o.evaluation.results import Results

SHOWN = (1e-3, 1e-4)
"""The gaps that tables show unless others are asked for."""

COUNTS = ("iterations", "rounds", "vectors", "gradients")
UNITS = {"1": "", "1/L": "/L", "L": " L"}


@dataclass(frozen=True)
class Table:
    """Rows of text.

    Attributes:
        title: what they are.
        rows: each a text under the heading of every column; the same columns in all.
        words: the columns that hold words; the others hold numbers.
        bold: positions of the rows that stand out.
    """

    title: str
    rows: list[dict[str, str]]
    words: tuple[str, ...]
    bold: tuple[int, ...] = ()

    def rich(self) -> rich.table.Table:
        """Return it as :mod:`rich` prints it."""
        made = rich.table.Table(title=self.title, title_justify="left")
        for name in self._header:
            made.add_column(name, overflow="fold", justify="left" if name in self.words else "right")
        for k, row in enumerate(self.rows):
            made.add_row(*row.values(), style="bold" if k in self.bold else None)
        return made

    def markdown(self) -> str:
        """Return it in Markdown, without its title."""
        rule = ["---" if name in self.words else "---:" for name in self._header]
        body = [[f"**{c}**" if k in self.bold and c else c for c in row.values()] for k, row in enumerate(self.rows)]
        return "\n".join("| " + " | ".join(row) + " |" for row in (self._header, rule, *body))

    @property
    def _header(self) -> list[str]:
        return list(self.rows[0]) if self.rows else []


def ranking(results: Results, cell: Cell, tolerances: Sequence[float] = SHOWN, *, timed: bool = False) -> Table:
    """Return all algorithms of a cell, the fastest first, with what they needed: medians over the instances.

    Args:
        results: what was found.
        cell: where.
        tolerances: the gaps to which it is told.
        timed: whether wall times are told as well.
    """
    names = results.ranking(cell, tolerances)
    rows = []
    for rank, name in enumerate(names, start=1):
        row = {"rank": str(rank), "algorithm": label(results, name)}
        row |= {quantity: _needed(results, cell, name, tolerances, quantity) for quantity in COUNTS}
        if timed:
            row["seconds"] = _needed(results, cell, name, tolerances, "seconds")
            row["ms / iteration"] = f"{_milliseconds(results, cell, name):.3g}"
        gap = results.final_gap(cell, name)
        row["final gap"] = ("" if gap is None else f"{gap:.1e}") + _lost(results, cell, name) or "-"
        rows.append({**row, "tuned setting": _setting(results, cell, name)})
    bold = tuple(k for k, name in enumerate(names) if name in results.models)
    title = f"{cell}: spent to a relative gap of {gaps(tolerances)}, medians over the instances"
    return Table(title, rows, ("algorithm", "tuned setting"), bold)


def summary(results: Results, tolerances: Sequence[float] = SHOWN) -> Table:
    """Return the models of every cell beside the best of the others: rounds, medians over the instances."""
    models: list[str | None] = [*results.models] or [None]
    rows = [
        _compared(results, cell, model, tolerances)
        for cell in results.cells
        for model in models
        if model is None or results.select(cell, model)
    ]
    empty = [name for name in (rows[0] if rows else ()) if not any(row[name] for row in rows)]
    rows = [{name: text for name, text in row.items() if name not in empty} for row in rows]
    title = f"Communication rounds to a relative gap of {gaps(tolerances)}, medians over the instances"
    if results.models:
        title += "; right, how many times fewer the model needs"
    return Table(title, rows, ("dataset", "topology", "model", "best handcrafted", "best rival"))


def _compared(results: Results, cell: Cell, model: str | None, tolerances: Sequence[float]) -> dict[str, str]:
    """Return a row of the summary; what there is nothing to say about stays empty."""
    found = [results.compare(cell, t, model) for t in tolerances]
    row = {"dataset": cell.dataset, "topology": cell.topology, "nodes": str(cell.nodes)}
    row |= {"model": model or "", "rounds": _rounds(results, cell, model, tolerances) if model else ""}
    prox_ed = _rounds(results, cell, "prox_ed", tolerances)
    others = [
        ("best handcrafted", _best(results, found, "best_handcrafted"), "speedup_rounds", results.handcrafted),
        ("Prox-ED", prox_ed, "speedup_vs_prox_ed", "prox_ed" in results.handcrafted),
        ("best rival", _best(results, found, "best_rival"), "speedup_vs_rival", results.has_rivals),
    ]
    row |= {name: text if present else "" for name, text, _, present in others}
    for name, _, speedup, present in others:
        row[f"over {name}"] = " / ".join(_times(f[speedup]) for f in found) if present and model else ""
    return row


def label(results: Results, name: str) -> str:
    """Return what tables and figures call an algorithm."""
    if name in results.models:
        return f"{name} (model)"
    return METHODS[name].label if name in METHODS else name


def gaps(tolerances: Sequence[float]) -> str:
    """Return tolerances as a reader knows them, ``"1e-3 / 1e-4"``."""
    return " / ".join(f"{t:.0e}".replace("e-0", "e-") for t in tolerances)


def count(value: float) -> str:
    """Spell a median of whole numbers, which may be a half."""
    return f"{value:.1f}".removesuffix(".0")


def _needed(results: Results, cell: Cell, name: str, tolerances: Sequence[float], quantity: str) -> str:
    values = [results.median(cell, name, t, quantity) for t in tolerances]
    return " / ".join("-" if v is None else f"{v:.3g}" if quantity == "seconds" else count(v) for v in values)


def _rounds(results: Results, cell: Cell, name: str, tolerances: Sequence[float]) -> str:
    return _needed(results, cell, name, tolerances, "rounds") + _lost(results, cell, name)


def _lost(results: Results, cell: Cell, name: str) -> str:
    return "!" if any(run.diverged for run in results.select(cell, name)) else ""


def _best(results: Results, found: Sequence[Mapping[str, Any]], who: str) -> str:
    """Return who was fastest to each tolerance; its name only where it changes."""
    texts: list[str] = []
    last = None
    for row in found:
        name, rounds = row[who], row[f"{who}_rounds"]
        who_else = "" if name == last else f"{label(results, name)}: "
        texts.append("-" if name is None else f"{who_else}{count(rounds)}")
        last = name
    return " / ".join(texts)


def _times(speedup: float | None) -> str:
    return "-" if speedup is None else f"{speedup:.1f}x"


def _milliseconds(results: Results, cell: Cell, name: str) -> float:
    times = [1000 * run.seconds / max(run.iterations, 1) for run in results.select(cell, name)]
    return statistics.median(times)


def _setting(results: Results, cell: Cell, name: str) -> str:
    """Return the tuned parameters of a method in a cell, with their units."""
    parameters = results.select(cell, name)[0].parameters
    grid = METHODS[name].grid if name in METHODS else {}
    axes = {key: grid.get(key) for key in parameters}
    units = {key: UNITS[axis.unit] if isinstance(axis, Range) else "" for key, axis in axes.items()}
    return ", ".join(f"{key} {value:.3g}{units[key]}" for key, value in parameters.items())
