"""Notes that a reader of the tables of an evaluation needs, in lines of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Sequence

from gnn_l2o.evaluation.published import Published
from gnn_l2o.evaluation.record import Case
from gnn_l2o.evaluation.results import Results

KEY = (
    "'-' means not reached, '!' that a run diverged; 'a / b' stands for one number for each optimality gap. Speed-ups"
    " are medians of the ratios on the same instance, without instances on which neither algorithm arrived. Where only"
    " one arrived, the end of the runs bounds the ratio: '>' is a lower bound, '<' an upper one, 'a to b' both."
)

INTERVALS = (
    "'[a, b]' is a 95 % bootstrap interval of the median (percentiles of 2,000 resamples), from 5 instances on; 'k of"
    " n' says on how many instances the model was faster, of those on which it or the other algorithm arrived. In"
    " intervals and in summary.csv a ratio is infinite where only the model arrived, and 0 where only the other"
    " algorithm did."
)


def divergences(results: Results) -> list[str]:
    """Return a line that says how many of all runs diverged, and whose."""
    if not results.runs:
        return []
    found = Counter(run.algorithm for run in results.runs if run.diverged)
    if not found:
        return [f"None of {len(results.runs)} runs diverged."]
    made = Counter(run.algorithm for run in results.runs)
    whose = ", ".join(f"{results.label(name)} {count} of {made[name]}" for name, count in found.most_common())
    return [f"{found.total()} of {len(results.runs)} runs diverged: {whose}."]


def sources(results: Results) -> list[str]:
    """Return a line for each dataset of real data that says where it is from."""
    return [f"{dataset}: {source}" for dataset, source in results.sources.items()]


def skipped(results: Results, names: Container[str] | None = None) -> list[str]:
    """Return a line for each algorithm and each reason for which it was left out.

    Args:
        results: of the evaluation.
        names: the algorithms; by default all.
    """
    places: dict[tuple[str, str], list[Case]] = {}
    for entry in results.skipped:
        if names is None or entry["algorithm"] in names:
            places.setdefault((entry["algorithm"], entry["reason"]), []).append(Case(**entry["case"]))
    return [f"{name} is left out {_where(results, cases)}: {reason}" for (name, reason), cases in places.items()]


def published(results: Results) -> list[str]:
    """Return a line for each source of published values that figures show, with the values."""
    places: dict[tuple[str, str, str, tuple[str, ...]], list[str]] = {}
    for value in map(Published.model_validate, results.published):
        datasets = tuple(dict.fromkeys(case.dataset for case in results.cases if value.belongs_to(case)))
        if datasets and results.measures(value.metric):
            key = (value.source, value.metric, value.conditions, datasets)
            places.setdefault(key, []).append(f"{value.label} {value.value:g}")
    return [
        f"{results.metrics[metric]['label']} {conditions}, on {' and '.join(datasets)}: {_join(values)} ({source})"
        for (source, metric, conditions, datasets), values in places.items()
    ]


def tuning(results: Results) -> list[str]:
    """Return a line for each warning of the tuning, with the cases that it is about."""
    places: dict[str, list[Case]] = {}
    for entry in results.tuning:
        for warning in entry["warnings"]:
            places.setdefault(warning, []).append(Case(**entry["case"]))
    return [f"{warning} ({_where(results, cases)})" for warning, cases in places.items()]


def conditions(results: Results) -> list[str]:
    """Return what a reader must know of how methods were tuned and instances drawn, beyond the usual."""
    lines = []
    if results.settings.get("tuning") == "oracle":
        lines.append("methods are tuned on the evaluated instances themselves (oracle)")
    counts: dict[Case, int] = {}
    for entry in results.redrawn:
        case = Case(**entry["case"])
        counts[case] = counts.get(case, 0) + entry["draws"]
    return lines + [f"{k} draws with their optimum at the initial point were replaced ({c})" for c, k in counts.items()]


def in_short(results: Results, named: Container[str]) -> list[str]:
    """Return the notes below the tables on a screen: in full for algorithms that were named, summed up for the rest."""
    told = (*conditions(results), *divergences(results), *sources(results), *skipped(results, named))
    lines = [f"note: {line}" for line in told]
    others = [entry["algorithm"] for entry in results.skipped if entry["algorithm"] not in named]
    if others:
        lines.append(f"note: left out where they do not apply: {_join(others)} (report.md says why)")
    warned = [entry["algorithm"] for entry in results.tuning if entry["warnings"]]
    if warned:
        lines.append(f"note: report.md has notes on the tuning of {_join(warned)}")
    return lines


def _join(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))


def _where(results: Results, cases: Sequence[Case]) -> str:
    return "everywhere" if set(cases) >= set(results.cases) else "on " + "; on ".join(map(str, cases))
