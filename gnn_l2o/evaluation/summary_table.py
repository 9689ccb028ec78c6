"""The models of every case beside the best of the others, in one table."""

from __future__ import annotations

from collections.abc import Sequence

from gnn_l2o.evaluation.comparison import Compared, Group, compared, groups
from gnn_l2o.evaluation.ranking_tables import divergence, of_worst, rounds_needed
from gnn_l2o.evaluation.record import CLASSES, SHOWN, Case
from gnn_l2o.evaluation.results import Results
from gnn_l2o.evaluation.tables import Table, between, count, gaps, without_empty

_BEST = "best handcrafted"


def summary(results: Results, tolerances: Sequence[float] = SHOWN, *, details: bool = False) -> Table:
    """Return the models of every case beside the best of the others.

    Rounds are medians over the instances; speed-ups are medians of the ratios on the same instance.

    Args:
        results: of the evaluation.
        tolerances: the relative optimality gaps.
        details: whether intervals are shown, on how many instances a model was faster, and the best handcrafted method
            also where both classes of them have a column.
    """
    models: list[str | None] = [*results.models] or [None]
    rows = [
        _row(results, case, model, tolerances, details)
        for case in results.cases
        for model in models
        if model is None or results.select(case, model)
    ]
    title = (
        f"Communication rounds to a relative optimality gap{of_worst(results)} of {gaps(tolerances)}, medians over the"
        " instances"
    )
    if results.models:
        title += "; right, how many times fewer the model needs, medians of the ratios on the same instance"
    words = ("dataset", "topology", "model", *(g.label for g in groups(results, None) if not g.is_one))
    essential = ("dataset", "topology", "nodes", "model", "rounds", f"over {_BEST}")
    return Table(title, without_empty(rows), words, essential=essential)


def _row(results: Results, case: Case, model: str | None, tolerances: Sequence[float], details: bool) -> dict[str, str]:
    """Return a row of the summary; columns that do not apply stay empty."""
    row = {"dataset": case.dataset, "topology": case.topology, "nodes": str(case.nodes), "model": model or ""}
    row["rounds"] = _rounds(results, case, model, tolerances, details) if model else ""
    columns = list(zip(*(compared(results, case, t, model) for t in tolerances), strict=True))
    for found in columns:
        group = found[0].group
        if not _present(results, group):
            text = ""
        elif group.is_one:
            text = _rounds(results, case, group.names[0], tolerances, details)
        else:
            text = _best(results, found, details)
        row[group.label] = "" if group.label == _BEST and _both_classes(results) and not details else text
    for found in columns:
        group = found[0].group
        row[f"over {group.label}"] = _speedups(found, details) if _present(results, group) and model else ""
    return row


def _present(results: Results, group: Group) -> bool:
    """Tell whether a group has columns: that of a class only where there are both."""
    if group.key in {f"best_{key}" for key in CLASSES}:
        return _both_classes(results)
    ran = {*results.handcrafted, *results.tuned, *results.models}
    return bool(ran.intersection(group.names)) and (
        group.key != "best_learned_baseline" or results.has_learned_baselines
    )


def _both_classes(results: Results) -> bool:
    return len({results.class_of(name) for name in results.handcrafted}) > 1


def _rounds(results: Results, case: Case, name: str, tolerances: Sequence[float], details: bool) -> str:
    return rounds_needed(results, case, name, tolerances, intervals=details) + divergence(results, case, name)


def _best(results: Results, found: Sequence[Compared], details: bool) -> str:
    """Return which algorithm was fastest to each tolerance; the name is repeated only where it changes."""
    texts: list[str] = []
    last = None
    for one in found:
        if one.name is None or one.rounds is None:
            texts.append("-")
        else:
            prefix = "" if one.name == last else f"{results.label(one.name)}: "
            texts.append(prefix + count(one.rounds.median) + (between(one.rounds.interval) if details else ""))
        last = one.name
    return " / ".join(texts)


def _speedups(found: Sequence[Compared], details: bool) -> str:
    paired = [one.paired for one in found]
    return " / ".join("-" if p is None else str(p) if details else str(p.speedup) for p in paired)
