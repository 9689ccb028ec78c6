"""The report of an evaluation: one page of Markdown with its tables and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gnn_l2o._utils.files import write_text
from gnn_l2o.evaluation import notes
from gnn_l2o.evaluation.figures import figure_links
from gnn_l2o.evaluation.front import front_name, points
from gnn_l2o.evaluation.ranking_tables import of_worst, ranking, rounds_table
from gnn_l2o.evaluation.record import SHOWN
from gnn_l2o.evaluation.results import Results
from gnn_l2o.evaluation.summary_table import summary
from gnn_l2o.evaluation.tables import gaps

REPORT = "report.md"


def save_report(results: Results, folder: Path, tolerances: Sequence[float] = SHOWN) -> None:
    """Write ``report.md`` into the folder that holds the figures."""
    write_text(folder / REPORT, report(results, tolerances, folder))


def report(results: Results, tolerances: Sequence[float] = SHOWN, folder: Path | None = None) -> str:
    """Return the report as Markdown, with :func:`.figure_links` of the folder to the figures beside it."""
    over = summary(results, tolerances, details=True)
    parts = [
        "# Evaluation",
        f"    {results.command}",
        setting(results),
        f"{notes.KEY} {notes.INTERVALS}",
        *notes.divergences(results),
        f"## {over.title}",
        over.markdown(),
    ]
    for case in results.cases:
        ranks = ranking(results, case, tolerances, details=True)
        rounds = rounds_table(results, case)
        parts += [f"## {ranks.title}", ranks.markdown(), f"### {rounds.title}", rounds.markdown()]
        captions = {case.file_name: str(case)}
        if points(results, case):
            captions[front_name(case)] = f"Rounds against gradients: {case}"
        parts += figure_links(captions, folder)
    for title, lines in conditions(results).items():
        parts += [f"## {title}", "\n".join(f"- {line}" for line in lines)]
    return "\n\n".join(parts) + "\n"


def conditions(results: Results) -> dict[str, list[str]]:
    """Return the notes at the end of a report, under their titles."""
    said = {
        "Published values, dashed in figures, which are no results of this evaluation": notes.published(results),
        "Conditions": notes.conditions(results),
        "Data": notes.sources(results),
        "Left out": notes.skipped(results),
        "Notes on tuning": notes.tuning(results),
    }
    return {title: lines for title, lines in said.items() if lines}


def setting(results: Results) -> str:
    """Return the conditions of the evaluation in words."""
    settings = results.settings
    batch = settings["batch_size"]
    gradients = "exact gradients" if batch is None else f"gradients from {batch} samples of each node"
    text = (
        f"{settings['instances']} unseen instances, at most {settings['iterations']} iterations, {settings['dtype']}, "
        f"{gradients}, {settings['mixing']} mixing weights."
    )
    if results.handcrafted or results.tuned:
        text += (
            f" Each method was tuned {_tuned_on(settings)} of every dataset, topology and size: of "
            f"{settings['tuning_budget']} settings the one was chosen that reaches a relative optimality gap"
            f"{of_worst(results)} of {gaps([settings['tuning_tolerance']])} in the fewest rounds and converges. Models"
            " were not tuned."
        )
    if settings.get("permute_labels"):  # files of earlier releases do not say
        text += (
            f" The classes are permuted after every {settings['permute_labels']} iterations; the optimality gap is the"
            " mean loss of all mini-batches so far, each before its step, relative to the loss of the initial point."
        )
    if settings["faults"]:
        text += f" In the runs links and nodes have faults, {settings['faults']}; tuning and limits know none."
    if settings["stop"]:
        text += f" Runs end where a rule holds: {', '.join(settings['stop'])}."
    return text + (
        " Rounds, vectors (sent along every edge in each direction) and gradients (of a node, those inside local solves"
        " included) are what network and problem counted. A method of the class of local solves solves subproblems at"
        " the nodes, or takes more than one gradient a round; limits are no methods and count as none."
        " The best handcrafted method is one of the handcrafted methods only; learned baselines are the other"
        " models and MiLoDo's rule with tuned constants."
    )


def _tuned_on(settings: Mapping[str, Any]) -> str:
    """Return on which instances methods were tuned, in words."""
    if settings.get("tuning") == "oracle":
        return "on the evaluated instances themselves"
    count = settings["tuning_instances"]
    return f"on {'3 (random topologies: 5)' if count is None else count} other instances"
