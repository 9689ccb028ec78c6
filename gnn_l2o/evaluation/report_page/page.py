"""Puts the page together: what it says, the numbers of its charts, and the libraries that draw them."""

from __future__ import annotations

import functools
import importlib.util
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from gnn_l2o._utils.files import write_text
from gnn_l2o._utils.optional import optional
from gnn_l2o.evaluation import notes
from gnn_l2o.evaluation.overview import entries
from gnn_l2o.evaluation.ranking_tables import ranking
from gnn_l2o.evaluation.record import SHOWN, Case
from gnn_l2o.evaluation.report import conditions, setting
from gnn_l2o.evaluation.report_page.case_data import SCALES, curves, metrics, network, published, trials
from gnn_l2o.evaluation.report_page.charts import specifications
from gnn_l2o.evaluation.report_page.heat_maps import heat_maps
from gnn_l2o.evaluation.report_page.verdict import verdict
from gnn_l2o.evaluation.results import Results
from gnn_l2o.evaluation.summary_table import summary
from gnn_l2o.evaluation.tables import Table

PAGE = "report.html"
OVERVIEW_PAGE = "overview.html"
PACKAGES = {"altair": "altair", "vl_convert": "vl-convert-python"}
"""What the page is made with: modules, and the distributions that they come in."""

POINTS = (16, 120)  # of a curve, the fewest and the most
SNAPSHOTS = (8, 40)  # of a network, likewise
ALL_POINTS, ALL_SNAPSHOTS = 24_000, 1_200  # of a page, so that it stays below about four megabytes


@dataclass(frozen=True)
class Shown:
    """A case on the page.

    Attributes:
        target: its identifier on the page.
        label: its name, with that of the evaluation where there are several.
        results: of the evaluation.
        case: the case.
    """

    target: str
    label: str
    results: Results
    case: Case


def missing() -> list[str]:
    """Return the distributions that the page needs and that are not installed."""
    return [name for module, name in PACKAGES.items() if importlib.util.find_spec(module) is None]


def save_page(runs: Mapping[str, Results], file: Path, tolerances: Sequence[float] = SHOWN) -> None:
    """Write the page of one or several evaluations.

    Args:
        runs: evaluations by name; one alone may have an empty name.
        file: the page.
        tolerances: the relative optimality gaps that tables show.

    Raises:
        InputError: a package is missing.
    """
    write_text(file, page(runs, tolerances))


def page(runs: Mapping[str, Results], tolerances: Sequence[float] = SHOWN) -> str:
    """Return the page of one or several evaluations as HTML; see :func:`save_page`."""
    with optional("report"):
        import jinja2  # comes with torch

    shown = cases(runs)
    found = [entry for name, results in runs.items() for entry in entries(results, name)]
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_resource("page.html")).render(
        title="Evaluation" if len(runs) == 1 else f"{len(runs)} evaluations",
        verdicts=verdict(runs, found),
        heat_maps=heat_maps(
            found, {(name, s.case): s.target for name, r in runs.items() for s in shown if s.results is r}
        ),
        cases=[(s, _filled(ranking(s.results, s.case, tolerances))) for s in shown],
        runs=[_about(name, results, tolerances) for name, results in runs.items()],
        key=f"{notes.KEY} {notes.INTERVALS}",
        style=_resource("page.css"),
        script=_resource("page.js"),
        library=library(),
        data=to_json(data(shown, tolerances)),
    )


def cases(runs: Mapping[str, Results]) -> list[Shown]:
    """Return the cases of all evaluations in their order."""
    pairs = [(name, results, case) for name, results in runs.items() for case in results.cases]
    return [
        Shown(f"case-{k}", f"{name}: {case}" if len(runs) > 1 else str(case), results, case)
        for k, (name, results, case) in enumerate(pairs)
    ]


def data(shown: Sequence[Shown], tolerances: Sequence[float]) -> dict[str, Any]:
    """Return what the charts show, with fewer points the more curves there are."""
    count = sum(len(s.results.algorithms(s.case)) for s in shown)
    points = _clamp(ALL_POINTS // max(count, 1), POINTS)
    snapshots = _clamp(ALL_SNAPSHOTS // max(len(shown), 1), SNAPSHOTS)
    return {
        "scales": SCALES,
        "floor": max(1e-12, 1e-2 * min(tolerances)),
        "charts": specifications(),
        "cases": {
            s.target: {
                "metrics": metrics(s.results),
                "curves": curves(s.results, s.case, tolerances, points),
                "published": published(s.results, s.case),
                "trials": trials(s.results, s.case, tolerances),
                "network": network(s.results, s.case, tolerances, snapshots),
            }
            for s in shown
        },
    }


@functools.cache
def library() -> str:
    """Return the JavaScript of Vega, Vega-Lite and Vega-Embed, which takes seconds to be put together."""
    with optional("report"):
        import vl_convert

    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")).replace(
        "</script", r"<\/script"
    )  # or it would end its own script


def to_json(content: Any) -> str:
    """Return JSON that may stand inside a script of a page: no text in it can end the script."""
    return json.dumps(content, allow_nan=False, separators=(",", ":")).replace("<", r"\u003c")


def _about(name: str, results: Results, tolerances: Sequence[float]) -> dict[str, Any]:
    """Return what the end of the page says of an evaluation."""
    return {
        "name": name,
        "setting": setting(results),
        "divergences": notes.divergences(results),
        "summary": summary(results, tolerances, details=True),
        "notes": conditions(results),
        "command": results.command,
        "environment": {**results.versions, "seed": str(results.seed)},
    }


def _filled(table: Table) -> Table:
    """Return a table where every row names its class, so that rows can be sorted."""
    rows, last = [], ""
    for row in table.rows:
        last = row.get("class") or last
        rows.append({**row, "class": last} if "class" in row else row)
    return Table(table.title, rows, table.words, table.bold)


def _resource(name: str) -> str:
    return resources.files(__name__.rpartition(".")[0]).joinpath(name).read_text(encoding="utf-8")


def _clamp(value: int, bounds: tuple[int, int]) -> int:
    return min(max(value, bounds[0]), bounds[1])
