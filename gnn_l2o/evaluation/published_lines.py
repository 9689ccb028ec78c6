"""Published values beside curves: dashed lines over the whole panel, with a mark where they were measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gnn_l2o.evaluation.published import Published
from gnn_l2o.evaluation.record import Case
from gnn_l2o.evaluation.results import Results
from gnn_l2o.evaluation.styles import published_style, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def of_case(results: Results, case: Case, metric: str) -> list[Published]:
    """Return the published values of a metric that figures of a case show."""
    values = map(Published.model_validate, results.published)
    return [value for value in values if value.metric == metric and value.belongs_to(case)]


def looks(results: Results, case: Case, metric: str) -> list[tuple[Published, dict[str, Any]]]:
    """Return the published values of a metric, each with the colour, width, dashes and order of its line."""
    found: list[tuple[Published, dict[str, Any]]] = []
    grey = 0
    for value in of_case(results, case, metric):
        ran = value.like in results.algorithms(case)
        found.append((value, published_style(grey, style(results, value.like)["color"] if ran else None)))
        grey += not ran
    return found


def draw_published(axes: Sequence[Axes], scales: Sequence[str], results: Results, case: Case, metric: str) -> None:
    """Draw the published values of a metric into its panels, in the colours of the algorithms that they are of.

    Args:
        axes: the panels.
        scales: what they are against; marks are in that against iterations, if its axis reaches so far.
        results: of the evaluation.
        case: of the panels.
        metric: the name of the metric.
    """
    for value, look in looks(results, case, metric):
        for ax, scale in zip(axes, scales, strict=True):
            ax.axhline(value.value, label=value.caption, **look)
            if scale == "iteration" and value.iteration <= ax.dataLim.x1:
                mark = {"marker": "D", "markersize": 5, "markerfacecolor": "white"}
                ax.plot(value.iteration, value.value, **{**look, **mark})
