"""The tables of an evaluation: a ranking for each case, and a summary over the cases."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gnn_l2o._utils.optional import optional
from gnn_l2o.evaluation.metrics import OptimalityGap
from gnn_l2o.evaluation.record import SHOWN, Case
from gnn_l2o.evaluation.results import Results

if TYPE_CHECKING:
    import rich.table


COUNTS = ("iterations", "rounds", "vectors", "gradients")
UNITS = {"1": "", "1/L": "/L", "L": " L", "curvature": " mean curvature"}
FINAL_GAP = "final optimality gap"


@dataclass(frozen=True)
class Table:
    """Rows of text.

    Attributes:
        title: what the rows are.
        rows: each a text under the heading of every column; the same columns in all.
        words: the columns that hold words; the others hold numbers.
        bold: positions of the rows that stand out.
    """

    title: str
    rows: list[dict[str, str]]
    words: tuple[str, ...]
    bold: tuple[int, ...] = ()

    def rich(self) -> rich.table.Table:
        """Return the table as :mod:`rich` prints it."""
        with optional("report"):
            import rich.table

        made = rich.table.Table(title=self.title, title_justify="left")
        for name in self._header:
            made.add_column(name, overflow="fold", justify="left" if name in self.words else "right")
        for k, row in enumerate(self.rows):
            made.add_row(*row.values(), style="bold" if k in self.bold else None)
        return made

    def markdown(self) -> str:
        """Return the table in Markdown, without its title."""
        rule = ["---" if name in self.words else "---:" for name in self._header]
        body = [[f"**{c}**" if k in self.bold and c else c for c in row.values()] for k, row in enumerate(self.rows)]
        return "\n".join("| " + " | ".join(row) + " |" for row in (self._header, rule, *body))

    @property
    def _header(self) -> list[str]:
        return list(self.rows[0]) if self.rows else []


def ranking(results: Results, case: Case, tolerances: Sequence[float] = SHOWN, *, details: bool = False) -> Table:
    """Return the algorithms of a case, the fastest first, with what they needed: medians over the instances.

    Args:
        results: of the evaluation.
        case: the case.
        tolerances: the relative optimality gaps to which costs are counted.
        details: whether the table has wall times, and the final values of all metrics.
    """
    names = results.ranking(case, tolerances)
    rows = []
    for rank, name in enumerate(names, start=1):
        row = {"rank": str(rank), "algorithm": results.label(name)}
        row |= {quantity: _needed(results, case, name, tolerances, quantity) for quantity in COUNTS}
        if details:
            row["seconds"] = _needed(results, case, name, tolerances, "seconds")
            row["ms / iteration"] = f"{_milliseconds(results, case, name):.3g}"
        gap = results.final_gap(case, name)
        row[FINAL_GAP] = ("" if gap is None else f"{gap:.1e}") + _divergence(results, case, name) or "-"
        row |= _final_values(results, case, name) if details else {}
        rows.append({**row, "tuned setting": _setting(results, case, name)})
    bold = tuple(k for k, name in enumerate(names) if name in results.models)
    title = f"{case}: costs to a relative optimality gap of {gaps(tolerances)}, medians over the instances"
    return Table(title, rows, ("algorithm", "tuned setting"), bold)


def summary(results: Results, tolerances: Sequence[float] = SHOWN) -> Table:
    """Return the models of every case beside the best of the others: rounds, medians over the instances."""
    models: list[str | None] = [*results.models] or [None]
    rows = [
        _compared(results, case, model, tolerances)
        for case in results.cases
        for model in models
        if model is None or results.select(case, model)
    ]
    empty = [name for name in (rows[0] if rows else ()) if not any(row[name] for row in rows)]
    rows = [{name: text for name, text in row.items() if name not in empty} for row in rows]
    title = f"Communication rounds to a relative optimality gap of {gaps(tolerances)}, medians over the instances"
    if results.models:
        title += "; right, how many times fewer the model needs"
    return Table(title, rows, ("dataset", "topology", "model", "best handcrafted", "best learned baseline"))


def _compared(results: Results, case: Case, model: str | None, tolerances: Sequence[float]) -> dict[str, str]:
    """Return a row of the summary; columns that do not apply stay empty."""
    found = [results.compare(case, t, model) for t in tolerances]
    row = {"dataset": case.dataset, "topology": case.topology, "nodes": str(case.nodes)}
    row |= {"model": model or "", "rounds": _rounds(results, case, model, tolerances) if model else ""}
    references = [
        (
            results.label(name),
            _rounds(results, case, name, tolerances),
            f"speedup_vs_{name}",
            name in (*results.handcrafted, *results.tuned),
        )
        for name in results.references
    ]
    baseline, has_baselines = _best(results, found, "best_learned_baseline"), results.has_learned_baselines
    others = [
        ("best handcrafted", _best(results, found, "best_handcrafted"), "speedup_rounds", bool(results.handcrafted)),
        *references,
        ("best learned baseline", baseline, "speedup_vs_learned_baseline", has_baselines),
    ]
    row |= {name: text if present else "" for name, text, _, present in others}
    for name, _, speedup, present in others:
        row[f"over {name}"] = " / ".join(_times(f[speedup]) for f in found) if present and model else ""
    return row


def gaps(tolerances: Sequence[float]) -> str:
    """Return tolerances as a reader knows them, ``"1e-3 / 1e-4"``."""
    return " / ".join(f"{t:.0e}".replace("e-0", "e-") for t in tolerances)


def count(value: float) -> str:
    """Spell a median of whole numbers, which may be a half."""
    return f"{value:.1f}".removesuffix(".0")


def _needed(results: Results, case: Case, name: str, tolerances: Sequence[float], quantity: str) -> str:
    values = [results.median(case, name, t, quantity) for t in tolerances]
    return " / ".join("-" if v is None else f"{v:.3g}" if quantity == "seconds" else count(v) for v in values)


def _rounds(results: Results, case: Case, name: str, tolerances: Sequence[float]) -> str:
    return _needed(results, case, name, tolerances, "rounds") + _divergence(results, case, name)


def _divergence(results: Results, case: Case, name: str) -> str:
    return "!" if any(run.diverged for run in results.select(case, name)) else ""


def _final_values(results: Results, case: Case, name: str) -> dict[str, str]:
    """Return the final values of all metrics but the optimality gap; of those that apply to no case, nothing."""
    values = {
        f"final {description['label']}": results.final(case, name, metric)
        for metric, description in results.metrics.items()
        if metric != OptimalityGap.name and results.measures(metric)
    }
    return {heading: "-" if value is None else f"{value:.3g}" for heading, value in values.items()}


def _best(results: Results, found: Sequence[Mapping[str, Any]], which: str) -> str:
    """Return which algorithm was fastest to each tolerance; the name is repeated only where it changes."""
    texts: list[str] = []
    last = None
    for row in found:
        name, rounds = row[which], row[f"{which}_rounds"]
        prefix = "" if name == last else f"{results.label(name)}: "
        texts.append("-" if name is None else f"{prefix}{count(rounds)}")
        last = name
    return " / ".join(texts)


def _times(speedup: float | None) -> str:
    return "-" if speedup is None else f"{speedup:.1f}x"


def _milliseconds(results: Results, case: Case, name: str) -> float:
    times = [1000 * run.seconds / max(run.iterations, 1) for run in results.select(case, name)]
    return statistics.median(times)


def _setting(results: Results, case: Case, name: str) -> str:
    """Return the tuned parameters of a method in a case, with their units."""
    parameters = results.select(case, name)[0].parameters
    units = results.methods.get(name, {}).get("units", {})
    return ", ".join(f"{key} {value:.3g}{UNITS[units.get(key, '1')]}" for key, value in parameters.items())
