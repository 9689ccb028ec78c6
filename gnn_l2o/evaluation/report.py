"""The report of an evaluation: one page of Markdown with its table and figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gnn_l2o.evaluation.results import Results
from gnn_l2o.evaluation.table import TOLERANCES, rows, title
from gnn_l2o.files import write_text

REPORT = "report.md"


def save_report(results: Results, folder: Path, tolerances: Sequence[float] = TOLERANCES) -> None:
    """Write ``report.md`` into the folder that holds the figures."""
    write_text(folder / REPORT, report(results, sorted(folder.glob("figures/*.png")), tolerances))


def report(results: Results, figures: Sequence[Path] = (), tolerances: Sequence[float] = TOLERANCES) -> str:
    """Return the report as Markdown, ``figures`` linked from a folder beside it."""
    settings = results.settings
    header, *body = rows(results, tolerances)
    header = [name.replace("\n", " ") for name in header]
    lines = ["| " + " | ".join(row) + " |" for row in (header, ["---"] * len(header), *body)]
    notes = [f"- {warning}" for tuning in results.tuning for warning in tuning["warnings"]]
    notes = list(dict.fromkeys(notes))
    images = [f"![{f.stem}](figures/{f.name})" for f in figures]
    parts = [
        "# Evaluation",
        f"    {results.command}",
        f"{title(tolerances).capitalize()}; {settings['instances']} unseen instances, at most "
        f"{settings['iterations']} iterations, {settings['dtype']}. Each handcrafted method was tuned on "
        f"{settings['tuning_instances']} other instances with {settings['tuning_budget']} settings.",
        "\n".join(lines),
        *(["Notes on tuning:", "\n".join(notes)] if notes else []),
        *images,
    ]
    return "\n\n".join(parts) + "\n"
