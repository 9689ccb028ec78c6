"""The training curve, as a table and as a picture."""

from __future__ import annotations

import csv
import dataclasses
import functools
import io
import itertools
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gnn_l2o._utils.figures import save_figure
from gnn_l2o._utils.files import write_text
from gnn_l2o._utils.optional import optional

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class CurvePoint:
    """An epoch of training.

    Attributes:
        stage, epoch: which, from 1.
        updates: weight updates so far.
        loss: its mean over the epoch's batches.
        validation: mean of the loss's :meth:`.MetaLoss.validation_values` on the held-out problems.
        best: the smallest so far.
        rollbacks: times that the weights were rolled back to the best ones.
        seconds: time spent so far.
    """

    stage: int
    epoch: int
    updates: int
    loss: float
    validation: float
    best: float
    rollbacks: int
    seconds: float


def write_curve(folder: Path, curve: Sequence[CurvePoint], label: str) -> None:
    """Write ``curve.csv`` and ``curve.png``; ``label`` is what the validation value is."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow([f.name for f in dataclasses.fields(CurvePoint)])
    writer.writerows([f"{v:.6g}" if isinstance(v, float) else v for v in dataclasses.astuple(p)] for p in curve)
    write_text(folder / "curve.csv", table.getvalue())
    save_figure(folder / "curve", functools.partial(_draw, curve, label), dpi=100)


def _draw(curve: Sequence[CurvePoint], label: str) -> Figure:
    with optional("report"):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    updates = [p.updates for p in curve]
    axes.plot(updates, [p.validation if np.isfinite(p.validation) else np.nan for p in curve], "o-", label="held out")
    axes.plot(updates, [p.best for p in curve], "--", label="best so far")
    for before, after in itertools.pairwise(curve):
        if after.stage != before.stage:
            axes.axvline(before.updates, color="0.8", zorder=0)
    axes.set_xlabel("weight updates (lines: stages)")
    axes.set_ylabel(textwrap.fill(label, 50, break_on_hyphens=False))
    axes.legend()
    return figure
