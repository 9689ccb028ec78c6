"""Rounds against gradients: which methods need fewer of the one than all that need no more of the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from gnn_l2o._utils.optional import optional
from gnn_l2o.evaluation.ranking_tables import of_worst
from gnn_l2o.evaluation.record import TOTAL_GRADIENTS, Case
from gnn_l2o.evaluation.results import Results
from gnn_l2o.evaluation.styles import style
from gnn_l2o.evaluation.tables import gaps

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FAMILY = ("inexact_admm", "admm_4", "admm_16", "admm")
"""Consensus ADMM with 1, 4, 16 and so many local steps that solves are exact."""

MIN_FAMILY = 3  # two points joined by a line show no trend


class Point(NamedTuple):
    """What an algorithm spent to reach the tolerance, medians over the instances."""

    gradients: float  # of a node, those inside local solves included
    rounds: float


def front_name(case: Case) -> str:
    """Return the name of the figure of a case, without an ending."""
    return f"front_{case.file_name}"


def points(results: Results, case: Case) -> dict[str, Point]:
    """Return the algorithms of a case that reach the tolerance that methods are tuned for, in the order of rounds.

    Limits that take no gradients are left out; less than one round or gradient counts as one, for the logarithm.
    """
    tolerance, found = results.settings["tuning_tolerance"], {}
    for name in results.algorithms(case):
        gradients, rounds = (results.median(case, name, tolerance, q) for q in (TOTAL_GRADIENTS, "rounds"))
        if gradients is not None and rounds is not None and (gradients > 0 or name not in results.limits):
            found[name] = Point(max(gradients, 1.0), max(rounds, 1.0))
    return dict(sorted(found.items(), key=lambda item: item[1].rounds))


def pareto(found: Mapping[str, Point]) -> list[str]:
    """Return the algorithms that no other one beats in both quantities, from the fewest gradients on.

    One algorithm beats another if it needs no more of either quantity, and less of one.
    """
    front: list[str] = []
    for name in sorted(found, key=lambda name: found[name]):
        if not front or found[name].rounds < found[front[-1]].rounds or found[name] == found[front[-1]]:
            front.append(name)
    return front


def draw_front(results: Results, case: Case) -> Figure:
    """Return the figure of a case: a point for each algorithm, both axes logarithmic.

    The line of steps is the Pareto front of methods and models; limits are grey and not on it. A dashed line joins
    consensus ADMM with different numbers of local steps, where at least three of :data:`FAMILY` are there.
    """
    with optional("report"):
        from matplotlib.figure import Figure

    found = points(results, case)
    figure = Figure(figsize=(7.5, 6), layout="constrained")
    ax = figure.subplots()
    ax.set(xscale="log", yscale="log", xlabel="gradients of a node", ylabel="communication rounds")
    ax.grid(alpha=0.25, linewidth=0.6)
    ax.spines[["top", "right"]].set_visible(False)
    front = pareto({name: point for name, point in found.items() if name not in results.limits})
    ax.step(*_columns(found[n] for n in front), where="post", color="0.75", zorder=1, label="Pareto front")
    family = [name for name in FAMILY if name in found]
    if len(family) >= MIN_FAMILY:
        label = "consensus ADMM, more local steps"
        ax.plot(
            *_columns(found[n] for n in family), color="#7A5195", linestyle="--", linewidth=1, label=label, zorder=1
        )
    for k, (name, point) in enumerate(found.items()):
        look = style(results, name)
        marker = "x" if name in results.limits else "*" if name in results.models else "o"
        ax.scatter(*point, color=look["color"], marker=marker, s=110 if marker == "*" else 30, zorder=look["zorder"])
        bold = "bold" if name in results.models else "normal"
        text = results.label(name)
        ax.annotate(
            text, point, xytext=(5, -10 if k % 2 else 4), textcoords="offset points", fontsize=7, fontweight=bold
        )
    ax.margins(0.12)
    ax.legend(loc="best", frameon=False, fontsize=8)
    figure.suptitle(_caption(results, case, found), fontsize=10)
    return figure


def _columns(found: Iterable[Point]) -> tuple[list[float], list[float]]:
    rows = list(found)
    return [point.gradients for point in rows], [point.rounds for point in rows]


def _caption(results: Results, case: Case, found: Mapping[str, Point]) -> str:
    to = f"to a relative optimality gap{of_worst(results)} of {gaps([results.settings['tuning_tolerance']])}"
    late = len(results.algorithms(case)) - len(found)
    missing = f"\n{late} of {len(results.algorithms(case))} algorithms without a point" if late else ""
    return f"{case}\n{to}, medians over the instances{missing}"
