"""Curves of the metrics against iterations and rounds, one figure for each case of an evaluation."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gnn_l2o._utils.files import write_atomically
from gnn_l2o._utils.optional import optional
from gnn_l2o.evaluation.metrics import Accuracy, OptimalityGap
from gnn_l2o.evaluation.record import SHOWN, Case, Run, file_key
from gnn_l2o.evaluation.results import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FOLDER = "figures"
FORMATS = ("png", "svg")
FLOOR = 1e-14  # below it a relative optimality gap in float64 is rounding
CEILING = 1e9  # runs that diverge are shown up to here
OTHERS = 8  # handcrafted methods that are drawn besides the references; more lines cannot be told apart

# Okabe, Ito (2008): colours that colour-blind readers can tell apart; those similar to vermilion are for models.
MODEL_COLOURS = ("#D55E00", "#CC79A7", "#E69F00")
REFERENCE_COLOUR = "#0072B2"
HANDCRAFTED_COLOURS = ("#009E73", "#7A5195", "#56B4E9", "#B8A400", "#888888", "#2F4B7C", "#8C564B", "#17BECF")
DASHES = ("-", "--", "-.", ":")


def save_figures(
    results: Results, folder: Path, cases: Sequence[Case] | None = None, *, tolerances: Sequence[float] = SHOWN
) -> list[Path]:
    """Draw cases, by default all, into ``folder/figures``, as PNG and SVG, and return the files."""
    files = []
    for case in results.cases if cases is None else cases:
        figure = draw(results, case, tolerances)
        for ending in FORMATS:
            path = folder / FOLDER / f"{file_name(case)}.{ending}"
            write_atomically(path, functools.partial(figure.savefig, dpi=150))
            files.append(path)
    return files


def delete_figures(folder: Path) -> None:
    """Delete the figures that were drawn into ``folder/figures`` before."""
    for ending in FORMATS:
        for path in (folder / FOLDER).glob(f"*.{ending}"):
            path.unlink()


def file_name(case: Case) -> str:
    """Return a file name, without an ending, for a case."""
    return re.sub(r"[^\w.=-]+", "_", f"{case.dataset}_{case.topology}_{case.nodes}")


def draw(results: Results, case: Case, tolerances: Sequence[float] = SHOWN) -> Figure:
    """Return the figure of a case: every metric that was measured, against iterations and communication rounds.

    A line is the median over the instances, its band reaches from the smallest to the largest value. Of many methods
    only the best are drawn, see :func:`choose`.
    """
    traces = [run.trace for run in results.runs if run.case == case]
    metrics = [name for name in results.metrics if any(file_key(name) in trace for trace in traces)]
    with optional("report"):
        from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.75 * len(metrics)), layout="constrained")
    axes = figure.subplots(len(metrics), 2, sharey="row", sharex="col", squeeze=False)
    shown = choose(results, case, tolerances)
    for row, metric in enumerate(metrics):
        _prepare(axes[row], results, case, metric)
        for name in shown:
            runs = [run for run in results.select(case, name) if file_key(metric) in run.trace]
            for ax, scale in zip(axes[row], ("iteration", "rounds"), strict=True) if runs else ():
                _curve(ax, _abscissa(runs, scale), _stack(runs, file_key(metric)), _style(results, name))
    axes[-1, 0].set_xlabel("iterations")
    axes[-1, 1].set_xlabel("communication rounds")
    figure.suptitle(_caption(results, case, shown))
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 5), frameon=False)
    return figure


def _prepare(axes: Sequence[Axes], results: Results, case: Case, metric: str) -> None:
    """Set scales, limits and labels of the two panels of a metric."""
    description = results.metrics[metric]
    label = "  ".join(filter(None, (description["label"], description["formula"])))
    axes[0].set_ylabel(f"relative {label}" if metric == OptimalityGap.name else label)
    for ax in axes:
        ax.set(xscale="log", yscale=description["scale"])
        ax.margins(x=0.01)
        ax.grid(alpha=0.25, linewidth=0.6)
        ax.spines[["top", "right"]].set_visible(False)
    if description["scale"] == "log":
        _limit(axes[0], results, case, metric)
    elif metric == Accuracy.name:
        axes[0].set_ylim(0, 1)


def choose(results: Results, case: Case, tolerances: Sequence[float] = SHOWN) -> list[str]:
    """Return the algorithms that are drawn, in the order of the ranking.

    They are the models, the tuned constants, the references and the best of the others.
    """
    ranked = results.ranking(case, tolerances)
    always = [*results.models, *results.tuned, *results.references]
    best = [name for name in ranked if name not in always][:OTHERS]
    return [name for name in ranked if name in always or name in best]


def _caption(results: Results, case: Case, shown: Sequence[str]) -> str:
    runs = [r for r in results.runs if r.case == case]
    instances = len({r.instance for r in runs})
    over = f"median and range of {instances} instances" if instances > 1 else "one instance"
    there = len({r.algorithm for r in runs})
    references = "".join(f", {results.label(name)}" for name in results.references)
    drawn = f"\nof {there} algorithms the models, tuned constants{references} and the best {OTHERS} others"
    return f"{case} ({over})" + (drawn if there > len(shown) else "")


def _style(results: Results, name: str) -> dict[str, Any]:
    """Return how an algorithm is drawn, the same way in all figures of an evaluation."""
    if name in results.models:
        turn, position = divmod(results.models.index(name), len(MODEL_COLOURS))
        look = {
            "color": MODEL_COLOURS[position],
            "linewidth": 2.4,
            "linestyle": DASHES[turn % len(DASHES)],
            "zorder": 3,
        }
    elif name in results.tuned:
        look = {"color": "black", "linewidth": 1.8, "linestyle": DASHES[results.tuned.index(name) % len(DASHES)]}
    elif name in results.references:
        dashes = DASHES[results.references.index(name) % len(DASHES)]
        look = {"color": REFERENCE_COLOUR, "linewidth": 1.8, "linestyle": dashes}
    else:
        turn, position = divmod(results.handcrafted.index(name), len(HANDCRAFTED_COLOURS))
        dashes = DASHES[(position + turn) % len(DASHES)]  # neighbours in the list differ in both
        look = {"color": HANDCRAFTED_COLOURS[position], "linewidth": 1.4, "linestyle": dashes}
    return {"label": results.label(name), "zorder": 3 if name in results.models else 2, **look}


def _abscissa(runs: Sequence[Run], quantity: str) -> np.ndarray:
    """Return iterations or rounds at the checkpoints of the longest runs, without the 0th: medians over the runs."""
    longest = max(len(run.trace[quantity]) for run in runs)
    whole = [run.trace[quantity] for run in runs if len(run.trace[quantity]) == longest]
    return np.median(whole, axis=0)[1:]


def _stack(runs: Sequence[Run], column: str) -> np.ndarray:
    """Return all runs at the checkpoints of the longest, without the 0th: ``(instances, checkpoints)``.

    A run that ended because it diverged is infinitely far from then on; one that a rule stopped stays where it was.
    """
    curves = np.full((len(runs), max(len(run.trace[column]) for run in runs)), np.inf)
    for row, run in zip(curves, runs, strict=True):
        values = [np.inf if v is None else v for v in run.trace[column]]
        row[: len(values)] = values
        if not run.diverged:
            row[len(values) :] = values[-1]
    return curves[:, 1:]


def _curve(ax: Axes, x: np.ndarray, curves: np.ndarray, style: dict[str, Any]) -> None:
    shown = np.isfinite(np.median(curves, axis=0))
    low = FLOOR if ax.get_yscale() == "log" else -CEILING
    curves = np.clip(curves, low, CEILING)[:, shown]
    if len(curves) > 1:
        ax.fill_between(x[shown], curves.min(axis=0), curves.max(axis=0), color=style["color"], alpha=0.12, linewidth=0)
    ax.plot(x[shown], np.median(curves, axis=0), **style)


def _limit(ax: Axes, results: Results, case: Case, metric: str) -> None:
    """Show what converges: diverging curves and bands leave the picture at the top."""
    columns = [r.trace.get(file_key(metric), []) for r in results.runs if r.case == case]
    positive = [v for column in columns for v in column[1:] if v is not None and v > FLOOR]
    top = 3.0 if metric == OptimalityGap.name else min(max(positive, default=1.0), 100.0) * 2
    ax.set_ylim(max(FLOOR, min(positive, default=FLOOR)) / 2, top)
