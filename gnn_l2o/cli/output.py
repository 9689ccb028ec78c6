"""What evaluations print on stdout, as tables for people or as rows for programs, and the page that they open."""

from __future__ import annotations

import argparse
import json
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gnn_l2o._utils.errors import InputError, about
from gnn_l2o._utils.optional import optional
from gnn_l2o._utils.output_folder import claimed
from gnn_l2o.evaluation import Results, notes, overview, overview_report, ranking, summary
from gnn_l2o.evaluation.algorithm_rows import algorithm_rows
from gnn_l2o.evaluation.figures import FOLDER
from gnn_l2o.evaluation.report_page.page import OVERVIEW_PAGE, PAGE, missing, save_page
from gnn_l2o.evaluation.report_page.verdict import verdict
from gnn_l2o.evaluation.results_file import to_csv

with optional("report"):
    from rich.console import Console

WORST = 5  # cases in the overview on the screen; its file has more


def check_page() -> None:
    """Check that a page can be opened in the end.

    Raises:
        InputError: a package is missing.
    """
    if missing():
        with about(open=True):
            raise InputError(f"{' and '.join(missing())} is missing; pip install 'gnn-l2o[report]' installs it")


def show(console: Console, results: Results, args: argparse.Namespace, heading: str) -> None:
    """Print the tables and the notes below them."""
    if heading:
        console.print(f"\n{heading}", style="bold", highlight=False)
    for case in results.cases:
        console.print(ranking(results, case, args.tolerance).rich(console.width))
    console.print(summary(results, args.tolerance).rich(console.width))
    for line in (notes.KEY, *notes.in_short(results, named=[*results.models, *args.algorithms])):
        console.print(line, highlight=False)
    console.print(f"results, report and figures are in {args.output}", highlight=False, soft_wrap=True)


def show_whole(console: Console, runs: Mapping[str, Results], found: list[overview.Entry], output: Path) -> None:
    """Print the overview of all evaluations, if they are worth one, and in the end what they found, in sentences."""
    if overview.is_worthwhile(found):
        _show_overview(console, found, output)
    if any(results.handcrafted for results in runs.values()):
        console.print()
        for line in verdict(runs, found):
            console.print(line, highlight=False, soft_wrap=True)


def _show_overview(console: Console, found: list[overview.Entry], output: Path) -> None:
    console.print()
    console.print(overview_report.totals(found).rich(console.width))
    console.print(overview_report.worst_cases(found, WORST).rich(console.width))
    for line in overview_report.firsts(found):
        console.print(line, highlight=False)
    console.print(f"the overview is in {output / overview_report.OVERVIEW}.md", highlight=False, soft_wrap=True)


def rows(runs: Mapping[str, Results], form: str) -> str:
    """Return a row for each case, tolerance and algorithm.

    Args:
        runs: evaluations by name, which rows begin with where there are several.
        form: ``"csv"`` or ``"json"``.
    """
    several = len(runs) > 1
    found: list[dict[str, Any]] = [
        {**({"run": name} if several else {}), **row}
        for name, results in runs.items()
        for row in algorithm_rows(results)
    ]
    return to_csv(found).rstrip("\n") if form == "csv" else json.dumps(found, indent=1, allow_nan=False)


def save_overview(runs: Mapping[str, Results], found: list[overview.Entry], args: argparse.Namespace) -> None:
    """Write the overview of all cases, and the page of several evaluations."""
    with claimed(args.output, FOLDER):
        if overview.is_worthwhile(found):
            command = next(iter(runs.values())).command
            overview_report.save_overview(found, args.output, command)
        if len(runs) > 1 and not missing():
            save_page(runs, args.output / OVERVIEW_PAGE, args.tolerance)


def open_page(folder: Path, *, several: bool) -> None:
    """Open the page of one evaluation, or of several, in the browser."""
    webbrowser.open((folder / (OVERVIEW_PAGE if several else PAGE)).absolute().as_uri())
