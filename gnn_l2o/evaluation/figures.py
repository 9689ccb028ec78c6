"""Curves of the metrics against iterations, rounds and gradients, one figure for each case of an evaluation."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gnn_l2o._utils.figures import save_figure
from gnn_l2o._utils.optional import optional
from gnn_l2o.evaluation.aggregate import over_instances
from gnn_l2o.evaluation.curves import abscissa, leaders, stack
from gnn_l2o.evaluation.front import draw_front, front_name, points
from gnn_l2o.evaluation.legend import add_legend
from gnn_l2o.evaluation.metrics import MEASURES, Accuracy, ConsensusError
from gnn_l2o.evaluation.published_lines import draw_published, of_case
from gnn_l2o.evaluation.record import OF_LIMITS, SHOWN, TOTAL_GRADIENTS, Case, file_key
from gnn_l2o.evaluation.results import Results
from gnn_l2o.evaluation.styles import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FOLDER = "figures"
FORMATS = ("png", "svg")
FLOOR = 1e-12  # minima are certified to that
BELOW = 1e-2  # pictures of optimality gaps reach so many times below the tightest tolerance
CEILING = 1e9  # runs that diverge are shown up to here
FAINT: dict[str, Any] = {"color": "0.8", "linewidth": 0.7, "zorder": 1}  # methods that do not lead
CHARACTERS = 9  # of a title, that fit an inch
SCALES = {"iteration": "iterations", "rounds": "communication rounds"}
_GAPS = {kind.name for kind in MEASURES.values()}


def save_figures(
    results: Results, folder: Path, cases: Sequence[Case] | None = None, *, tolerances: Sequence[float] = SHOWN
) -> list[Path]:
    """Draw cases, by default all, into ``folder/figures``, as PNG and SVG, and return the files.

    There are two figures for each case: the curves of :func:`draw`, and the front of rounds against gradients, where
    any algorithm is on it. One that cannot be drawn is left out (:func:`.save_figure`).
    """
    files = []
    for case in results.cases if cases is None else cases:
        figures = {case.file_name: functools.partial(draw, results, case, tolerances)}
        if points(results, case):
            figures[front_name(case)] = functools.partial(draw_front, results, case)
        for name, figure in figures.items():
            files += save_figure(folder / FOLDER / name, figure, FORMATS)
    return files


def figure_links(captions: Mapping[str, str], folder: Path | None) -> list[str]:
    """Return the Markdown that shows figures from a page beside their folder.

    Args:
        captions: of the figures, by their names.
        folder: of the page; figures that were left out there are not shown. By default all are.
    """
    drawn = [name for name in captions if folder is None or (folder / FOLDER / f"{name}.png").exists()]
    return [f"![{captions[name]}]({FOLDER}/{name}.png)" for name in drawn]


def delete_figures(folder: Path) -> None:
    """Delete the figures that were drawn into ``folder/figures`` before."""
    for ending in FORMATS:
        for path in (folder / FOLDER).glob(f"*.{ending}"):
            path.unlink()


def draw(results: Results, case: Case, tolerances: Sequence[float] = SHOWN) -> Figure:
    """Return the figure of a case: every metric that was measured, against iterations and communication rounds.

    Where one class of algorithms takes one gradient a round and another does more, there are panels against the
    gradients of a node, those inside local solves included.

    A line is the median over the instances, or the mean for metrics that say so; its band reaches from the smallest to
    the largest value. Methods that do not lead (:func:`~gnn_l2o.evaluation.curves.leaders`) are faint, and have neither
    bands nor names. Published values are dashed, with a mark at the iteration after which they were measured.
    """
    traces = [run.trace for run in results.runs if run.case == case]
    metrics = [name for name in results.metrics if any(file_key(name) in trace for trace in traces)]
    if case.nodes == 1:  # which always agrees with itself
        metrics = [name for name in metrics if name != ConsensusError.name]
    metrics.sort(key=lambda name: name != MEASURES[results.measure].name)
    with optional("report"):
        from matplotlib.figure import Figure
        from matplotlib.lines import Line2D

    named = [*leaders(results, case, tolerances), *results.limits]
    shown = [*(name for name in results.algorithms(case) if name not in named), *named]
    several = len({results.class_of(name) for name in shown} - {OF_LIMITS}) > 1
    scales = {**SCALES, **({TOTAL_GRADIENTS: "gradients of a node"} if several else {})}
    figure = Figure(figsize=(5 * len(scales), 3.75 * len(metrics)), layout="constrained")
    axes = figure.subplots(len(metrics), len(scales), sharey="row", sharex="col", squeeze=False)
    for row, metric in enumerate(metrics):
        _prepare(axes[row], results, case, metric, BELOW * min(tolerances))
        for name in shown:
            runs = [run for run in results.select(case, name) if file_key(metric) in run.trace]
            look = style(results, name) if name in named else FAINT
            for ax, scale in zip(axes[row], scales, strict=True) if runs else ():
                curves = stack(runs, file_key(metric))[:, 1:]
                line = over_instances(curves, runs, metric, results.metrics[metric])
                _curve(ax, abscissa(runs, scale)[1:], curves, line, look)
        draw_published(axes[row], list(scales), results, case, metric)
    for ax, label in zip(axes[-1], scales.values(), strict=True):
        ax.set_xlabel(label)
    width = int(CHARACTERS * figure.get_figwidth())
    figure.suptitle(textwrap.fill(_caption(results, case), width, break_long_words=False, break_on_hyphens=False))
    entries = {label: line for ax in axes[:, 0] for line, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    if len(shown) > len(named):
        others = len(shown) - len(named)
        entries[f"{others} other method{'s' if others > 1 else ''}"] = Line2D([], [], **FAINT)
    add_legend(figure, entries)
    return figure


def _prepare(axes: Sequence[Axes], results: Results, case: Case, metric: str, floor: float) -> None:
    """Set scales, limits and labels of the panels of a metric; logarithmic axes reach down to the floor at most."""
    description = results.metrics[metric]
    name = f"relative {description['label']}" if metric in _GAPS else description["label"]
    is_mean = description["aggregate"] == "mean" and _instances(results, case) > 1
    mean = "mean over the instances" if is_mean else ""
    axes[0].set_ylabel("\n".join(filter(None, (name, description["formula"], mean))))
    for ax in axes:
        ax.set(xscale="log", yscale=description["scale"])
        ax.margins(x=0.01)
        ax.grid(alpha=0.25, linewidth=0.6)
        ax.spines[["top", "right"]].set_visible(False)
    if description["scale"] == "log":
        _limit(axes[0], results, case, metric, max(FLOOR, floor))
    elif metric == Accuracy.name:
        axes[0].set_ylim(0, 1)


def _caption(results: Results, case: Case) -> str:
    instances = _instances(results, case)
    return f"{case} ({f'median and range of {instances} instances' if instances > 1 else 'one instance'})"


def _instances(results: Results, case: Case) -> int:
    return len({run.instance for run in results.runs if run.case == case})


def _curve(ax: Axes, x: np.ndarray, curves: np.ndarray, line: np.ndarray, style: dict[str, Any]) -> None:
    shown = np.isfinite(line) & (x > 0)  # limits may take no gradients
    if not shown.any():
        return
    low = FLOOR if ax.get_yscale() == "log" else -CEILING
    curves, line = np.clip(curves, low, CEILING)[:, shown], np.clip(line, low, CEILING)[shown]
    if len(curves) > 1 and style is not FAINT:
        ax.fill_between(x[shown], curves.min(axis=0), curves.max(axis=0), color=style["color"], alpha=0.12, linewidth=0)
    ax.plot(x[shown], line, **style)


def _limit(ax: Axes, results: Results, case: Case, metric: str, floor: float) -> None:
    """Show what converges, and published values: diverging curves and bands leave the picture at the top."""
    columns = [r.trace.get(file_key(metric), []) for r in results.runs if r.case == case]
    positive = [v for column in columns for v in column[1:] if v is not None and v > floor]
    top = 3.0 if metric in _GAPS else min(max(positive, default=1.0), 100.0) * 2
    bottom = min((v for v in positive if v < top), default=floor) / 2
    published = [value.value for value in of_case(results, case, metric) if value.value > 0]
    ax.set_ylim(min([bottom, *(v / 2 for v in published)]), max([top, *(v * 2 for v in published)]))
