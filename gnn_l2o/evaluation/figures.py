"""Curves of gap and consensus, one figure for each cell of an evaluation."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gnn_l2o.evaluation.results import Cell, Results, Run
from gnn_l2o.files import write_atomically
from gnn_l2o.handcrafted import HANDCRAFTED

FOLDER = "figures"
FORMATS = ("png", "svg")
FLOOR = 1e-14  # below it a relative gap in float64 is rounding
CEILING = 1e9  # beyond what is shown of a run that diverges

# Okabe, Ito (2008): colours that colour-blind readers can tell apart; vermilion and its kin are kept for the models.
MODEL_COLOURS = ("#D55E00", "#CC79A7", "#E69F00")
HANDCRAFTED_COLOURS = ("#0072B2", "#009E73", "#333333", "#56B4E9", "#7A5195", "#B8A400", "#888888")
DASHES = ("-", "--", "-.", ":")


def save_figures(results: Results, folder: Path, cells: Sequence[Cell] | None = None) -> list[Path]:
    """Draw cells, by default all, into ``folder/figures``, as PNG and SVG, and return the files."""
    files = []
    for cell in results.cells if cells is None else cells:
        figure = draw(results, cell)
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


def draw(results: Results, cell: Cell) -> Figure:
    """Return the figure of a cell: gap above, consensus below, against iterations left and rounds right.

    A line is the median over the instances, its band reaches from the least to the greatest.
    """
    figure = Figure(figsize=(10, 7), layout="constrained")
    axes = figure.subplots(2, 2, sharey="row", sharex="col")
    for k, (name, runs) in enumerate(_by_algorithm(results, cell)):
        style = _style(results, name, k)
        for row, quantity in enumerate(("gap", "consensus")):
            iteration, curves = _stack(runs, quantity)
            for column, scale in enumerate((1, runs[0].rounds_per_iteration)):
                _curve(axes[row, column], scale * iteration, curves, style)
    axes[0, 0].set_ylabel(r"relative gap  $(F(\bar x) - F^*) \,/\, (F(x^0) - F^*)$")
    axes[1, 0].set_ylabel(r"consensus  $\|X - \mathbf{1} \bar x^T\|_F \,/\, (\sqrt{N} \|x^*\|)$")
    axes[1, 0].set_xlabel("iterations")
    axes[1, 1].set_xlabel("communication rounds")
    for ax in axes.flat:
        ax.set(xscale="log", yscale="log")
        ax.margins(x=0.01)
        ax.grid(alpha=0.25, linewidth=0.6)
        ax.spines[["top", "right"]].set_visible(False)
    _limit(axes[0, 0], results, cell, "gap")
    _limit(axes[1, 0], results, cell, "consensus")
    instances = len({r.instance for r in results.runs if r.cell == cell})
    over = f"median and range of {instances} instances" if instances > 1 else "one instance"
    figure.suptitle(f"{cell.dataset} on {cell.topology}, {cell.nodes} nodes ({over})")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 6), frameon=False)
    return figure


def _by_algorithm(results: Results, cell: Cell) -> list[tuple[str, list[Run]]]:
    """Return the runs of each algorithm, those of the models last, so that they are drawn on top."""
    selected = [(name, results.select(cell, name)) for name in [*results.handcrafted, *results.models]]
    return [(name, runs) for name, runs in selected if runs]


def _style(results: Results, name: str, position: int) -> dict[str, Any]:
    if name in results.models:
        k = results.models.index(name)
        return {"label": name, "color": MODEL_COLOURS[k % len(MODEL_COLOURS)], "linewidth": 2.4}
    colour = HANDCRAFTED_COLOURS[position % len(HANDCRAFTED_COLOURS)]
    label = HANDCRAFTED[name].label if name in HANDCRAFTED else name
    return {"label": label, "color": colour, "linewidth": 1.5, "linestyle": DASHES[position % len(DASHES)]}


def _stack(runs: Sequence[Run], quantity: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the iterations of the longest run, without the 0th, and all runs there, ``(instances, iterations)``.

    A run that stopped because it diverged is infinitely far from then on.
    """
    iteration = max((run.trace["iteration"] for run in runs), key=len)
    curves = np.full((len(runs), len(iteration)), np.inf)
    for row, run in zip(curves, runs, strict=True):
        values = [np.inf if v is None else v for v in run.trace[quantity]]
        row[: len(values)] = values
    return np.array(iteration[1:]), curves[:, 1:]


def _curve(ax: Axes, x: np.ndarray, curves: np.ndarray, style: dict[str, Any]) -> None:
    shown = np.isfinite(np.median(curves, axis=0))
    curves = np.clip(curves, FLOOR, CEILING)[:, shown]
    if len(curves) > 1:
        ax.fill_between(x[shown], curves.min(axis=0), curves.max(axis=0), color=style["color"], alpha=0.15, linewidth=0)
    ax.plot(x[shown], np.median(curves, axis=0), **style)


def _limit(ax: Axes, results: Results, cell: Cell, quantity: str) -> None:
    """Show what converges: diverging curves and bands leave the picture at the top."""
    values = [v for r in results.runs if r.cell == cell for v in r.trace[quantity][1:] if v is not None]
    positive = [v for v in values if v > FLOOR]
    top = 3.0 if quantity == "gap" else min(max(positive, default=1.0), 100.0) * 2
    ax.set_ylim(max(FLOOR, min(positive, default=FLOOR)) / 2, top)
