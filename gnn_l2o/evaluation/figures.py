"""Curves of gap, consensus and accuracy, one figure for each cell of an evaluation."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gnn_l2o._utils.files import write_atomically
from gnn_l2o.evaluation.record import Cell, Run
from gnn_l2o.evaluation.results import Results
from gnn_l2o.evaluation.tables import SHOWN, label

FOLDER = "figures"
FORMATS = ("png", "svg")
FLOOR = 1e-14  # below it a relative gap in float64 is rounding
CEILING = 1e9  # beyond what is shown of a run that diverges
OTHERS = 8  # handcrafted methods that are drawn besides Prox-ED; more lines cannot be told apart

# Okabe, Ito (2008): colours that colour-blind readers can tell apart; vermilion and its kin are kept for the models.
MODEL_COLOURS = ("#D55E00", "#CC79A7", "#E69F00")
PROX_ED_COLOUR = "#0072B2"
HANDCRAFTED_COLOURS = ("#009E73", "#7A5195", "#56B4E9", "#B8A400", "#888888", "#2F4B7C", "#8C564B", "#17BECF")
DASHES = ("-", "--", "-.", ":")


def save_figures(
    results: Results, folder: Path, cells: Sequence[Cell] | None = None, *, tolerances: Sequence[float] = SHOWN
) -> list[Path]:
    """Draw cells, by default all, into ``folder/figures``, as PNG and SVG, and return the files."""
    files = []
    for cell in results.cells if cells is None else cells:
        figure = draw(results, cell, tolerances)
        for ending in FORMATS:
            path = folder / FOLDER / f"{file_name(cell)}.{ending}"
            write_atomically(path, functools.partial(figure.savefig, dpi=150))
            files.append(path)
    return files


def delete_figures(folder: Path) -> None:
    """Delete the figures that were drawn into ``folder/figures`` before."""
    for ending in FORMATS:
        for path in (folder / FOLDER).glob(f"*.{ending}"):
            path.unlink()


def file_name(cell: Cell) -> str:
    """Return a file name, without an ending, for a cell."""
    return re.sub(r"[^\w.=-]+", "_", f"{cell.dataset}_{cell.topology}_{cell.nodes}")


def draw(results: Results, cell: Cell, tolerances: Sequence[float] = SHOWN) -> Figure:
    """Return the figure of a cell: gap and consensus, and accuracy where there is one, against iterations and rounds.

    A line is the median over the instances, its band reaches from the least to the greatest. Of many methods only the
    best are drawn, see :func:`choose`.
    """
    has_accuracy = any("accuracy" in run.trace for run in results.runs if run.cell == cell)
    quantities = ("gap", "consensus", "accuracy") if has_accuracy else ("gap", "consensus")
    figure = Figure(figsize=(10, 3.75 * len(quantities)), layout="constrained")
    axes = figure.subplots(len(quantities), 2, sharey="row", sharex="col")
    shown = choose(results, cell, tolerances)
    for name in shown:
        runs, style = results.select(cell, name), _style(results, name)
        for row, quantity in enumerate(quantities):
            curves = _stack(runs, quantity)
            for column, scale in enumerate(("iteration", "rounds")):
                _curve(axes[row, column], _abscissa(runs, scale), curves, style)
    axes[0, 0].set_ylabel(r"relative gap  $(F(\bar x) - F^*) \,/\, (F(x^0) - F^*)$")
    axes[1, 0].set_ylabel(r"consensus  $\|X - \mathbf{1} \bar x^T\|_F \,/\, (\sqrt{N} \|x^*\|)$")
    axes[-1, 0].set_xlabel("iterations")
    axes[-1, 1].set_xlabel("communication rounds")
    for ax in axes.flat:
        ax.set(xscale="log", yscale="log")
        ax.margins(x=0.01)
        ax.grid(alpha=0.25, linewidth=0.6)
        ax.spines[["top", "right"]].set_visible(False)
    _limit(axes[0, 0], results, cell, "gap")
    _limit(axes[1, 0], results, cell, "consensus")
    if has_accuracy:
        axes[2, 0].set(ylabel="test accuracy", yscale="linear", ylim=(0, 1))
    figure.suptitle(_caption(results, cell, shown))
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 5), frameon=False)
    return figure


def choose(results: Results, cell: Cell, tolerances: Sequence[float] = SHOWN) -> list[str]:
    """Return who is drawn, in the order of the ranking: models, tuned constants, Prox-ED and the best of the others."""
    ranked = results.ranking(cell, tolerances)
    always = [*results.models, *results.tuned, "prox_ed"]
    best = [name for name in ranked if name not in always][:OTHERS]
    return [name for name in ranked if name in always or name in best]


def _caption(results: Results, cell: Cell, shown: Sequence[str]) -> str:
    runs = [r for r in results.runs if r.cell == cell]
    instances = len({r.instance for r in runs})
    over = f"median and range of {instances} instances" if instances > 1 else "one instance"
    there = len({r.algorithm for r in runs})
    drawn = f"\nof {there} algorithms the models, tuned constants, Prox-ED and the best {OTHERS} others"
    return f"{cell} ({over})" + (drawn if there > len(shown) else "")


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
    elif name == "prox_ed":
        look = {"color": PROX_ED_COLOUR, "linewidth": 1.8, "linestyle": DASHES[0]}
    else:
        turn, position = divmod(results.handcrafted.index(name), len(HANDCRAFTED_COLOURS))
        dashes = DASHES[(position + turn) % len(DASHES)]  # neighbours in the list differ in both
        look = {"color": HANDCRAFTED_COLOURS[position], "linewidth": 1.4, "linestyle": dashes}
    return {"label": label(results, name), "zorder": 3 if name in results.models else 2, **look}


def _abscissa(runs: Sequence[Run], quantity: str) -> np.ndarray:
    """Return iterations or rounds at the checkpoints of the longest runs, without the 0th: medians over the runs."""
    most = max(len(run.trace[quantity]) for run in runs)
    whole = [run.trace[quantity] for run in runs if len(run.trace[quantity]) == most]
    return np.median(whole, axis=0)[1:]


def _stack(runs: Sequence[Run], quantity: str) -> np.ndarray:
    """Return all runs at the checkpoints of the longest, without the 0th: ``(instances, checkpoints)``.

    A run that stopped because it diverged is infinitely far from then on.
    """
    curves = np.full((len(runs), max(len(run.trace[quantity]) for run in runs)), np.inf)
    for row, run in zip(curves, runs, strict=True):
        values = [np.inf if v is None else v for v in run.trace[quantity]]
        row[: len(values)] = values
    return curves[:, 1:]


def _curve(ax: Axes, x: np.ndarray, curves: np.ndarray, style: dict[str, Any]) -> None:
    shown = np.isfinite(np.median(curves, axis=0))
    curves = np.clip(curves, FLOOR, CEILING)[:, shown]
    if len(curves) > 1:
        ax.fill_between(x[shown], curves.min(axis=0), curves.max(axis=0), color=style["color"], alpha=0.12, linewidth=0)
    ax.plot(x[shown], np.median(curves, axis=0), **style)


def _limit(ax: Axes, results: Results, cell: Cell, quantity: str) -> None:
    """Show what converges: diverging curves and bands leave the picture at the top."""
    values = [v for r in results.runs if r.cell == cell for v in r.trace[quantity][1:] if v is not None]
    positive = [v for v in values if v > FLOOR]
    top = 3.0 if quantity == "gap" else min(max(positive, default=1.0), 100.0) * 2
    ax.set_ylim(max(FLOOR, min(positive, default=FLOOR)) / 2, top)
