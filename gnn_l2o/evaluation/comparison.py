"""Who was faster: rankings, the best of several methods, and models beside them on the same instances."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gnn_l2o.evaluation.record import CLASSES, TOLERANCES, Case, finite
from gnn_l2o.evaluation.speedups import Paired, Rounds

if TYPE_CHECKING:
    from gnn_l2o.evaluation.results import Results

SUMMARIZED = TOLERANCES[:8]
"""The relative optimality gaps of which the summary has rows."""


@dataclass(frozen=True)
class Group:
    """Algorithms of which the fastest stands beside a model.

    Attributes:
        key: the name of the columns in files, ``"best_handcrafted"``.
        label: what tables call the fastest of them, ``"best handcrafted"``.
        speedup: the name of the column of the speed-up.
        names: the algorithms.
        is_one: whether it is one algorithm, the same everywhere.
    """

    key: str
    label: str
    speedup: str
    names: tuple[str, ...]
    is_one: bool = False


@dataclass(frozen=True)
class Compared:
    """The fastest of a group in a case, beside a model.

    Attributes:
        group: the algorithms.
        name: the fastest; ``None`` where none reached the tolerance on most instances.
        rounds: its rounds, or those of the one with the smallest horizon; ``None`` where none ran.
        paired: the model beside it; ``None`` where one of them did not run.
    """

    group: Group
    name: str | None
    rounds: Rounds | None
    paired: Paired | None


def groups(results: Results, model: str | None) -> list[Group]:
    """Return what a model is compared with.

    These are the best of all handcrafted methods, the best of each class of them, the reference methods, and the best
    learned baseline: all algorithms that are neither the model nor handcrafted nor limits, thus the other models and
    MiLoDo's rule with tuned constants.
    """
    learned = tuple(name for name in (*results.models, *results.tuned) if name != model)
    of_class = {
        key: tuple(name for name in results.handcrafted if results.class_of(name) == label)
        for key, label in CLASSES.items()
    }
    return [
        Group("best_handcrafted", "best handcrafted", "speedup_rounds", tuple(results.handcrafted)),
        *(Group(f"best_{key}", f"best of {CLASSES[key]}", f"speedup_vs_{key}", of_class[key]) for key in CLASSES),
        *(Group(n, results.label(n), f"speedup_vs_{n}", (n,), is_one=True) for n in results.references),
        Group("best_learned_baseline", "best learned baseline", "speedup_vs_learned_baseline", learned),
    ]


def fastest(results: Results, case: Case, tolerance: float, names: Sequence[str]) -> tuple[str | None, Rounds | None]:
    """Return the algorithm with the fewest rounds, medians over the instances, and its rounds.

    If none reached the tolerance the name is ``None``, and the rounds are those of the smallest horizon, as a bound;
    both are ``None`` where none ran.
    """
    found = {name: rounds for name in names if (rounds := results.rounds(case, name, tolerance)) is not None}
    if not found:
        return None, None
    name = min(found, key=lambda name: (found[name].median, found[name].horizon))
    return (name if math.isfinite(found[name].median) else None), found[name]


def compared(results: Results, case: Case, tolerance: float, model: str | None) -> list[Compared]:
    """Return a model in a case beside the fastest of each of the :func:`groups`."""
    mine = results.rounds(case, model, tolerance) if model else None
    found = []
    for group in groups(results, model):
        name, rounds = fastest(results, case, tolerance, group.names)
        paired = None if mine is None or rounds is None else Paired.of(mine, rounds)
        found.append(Compared(group, name, rounds, paired))
    return found


def ranking(results: Results, case: Case, tolerances: Sequence[float]) -> list[str]:
    """Return the algorithms of a case, those that reach the tightest of the tolerances in the fewest rounds first.

    Algorithms that do not reach it follow, in the order of the next tolerance, and so on; then final optimality gaps
    decide.
    """

    def key(name: str) -> list[float]:
        rounds = [results.median(case, name, t) for t in sorted(tolerances)]
        return [math.inf if v is None else v for v in (*rounds, results.final_gap(case, name))]

    return sorted(results.algorithms(case), key=key)


def summary(results: Results) -> list[dict[str, Any]]:
    """Return a row for each case, tolerance and model: its rounds beside those of the best other algorithms."""
    models: list[str | None] = [*results.models] or [None]
    return [
        compare(results, case, tolerance, model)
        for case in results.cases
        for tolerance in SUMMARIZED
        for model in models
    ]


def compare(results: Results, case: Case, tolerance: float, model: str | None) -> dict[str, Any]:
    """Return the row of the summary for a case, a tolerance and a model.

    Speed-ups are the medians of :attr:`.Paired.ratios`. ``_low`` and ``_high`` are the ends of bootstrap intervals,
    ``_faster`` says on how many of the ``_pairs`` instances the model was faster. Numbers that are not finite, as the
    rounds of an algorithm that did not arrive, are ``None``.
    """
    mine = results.rounds(case, model, tolerance) if model else None
    row = {**case._asdict(), "tolerance": tolerance, "model": model, **_spent("model", mine)}
    for found in compared(results, case, tolerance, model):
        row |= {} if found.group.is_one else {found.group.key: found.name}
        reached = found.rounds if found.name else None
        row |= _spent(found.group.key, reached) | _faster(found.group.speedup, found.paired)
    return row


def interval_columns(key: str, found: Rounds | Paired | None) -> dict[str, float | None]:
    """Return the ends of an interval as columns; ``None`` where there is no interval, or no finite end."""
    low, high = (found.interval if found else None) or (math.inf, math.inf)
    return {f"{key}_low": finite(low), f"{key}_high": finite(high)}


def pairs_columns(key: str, paired: Paired | None) -> dict[str, int | None]:
    """Return on how many instances the model was faster, and of how many, as columns."""
    return {
        f"{key}_faster": paired.faster if paired else None,
        f"{key}_pairs": len(paired.pairs) if paired else None,
    }


def _spent(key: str, rounds: Rounds | None) -> dict[str, float | None]:
    median = finite(rounds.median) if rounds else None
    return {f"{key}_rounds": median, **interval_columns(f"{key}_rounds", rounds)}


def _faster(key: str, paired: Paired | None) -> dict[str, float | None]:
    median = finite(paired.median) if paired and paired.median is not None else None
    return {key: median, **interval_columns(key, paired), **pairs_columns(key, paired)}
