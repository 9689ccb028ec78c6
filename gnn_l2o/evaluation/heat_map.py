"""A heat map of the speed-ups of a model over all cases of one or several evaluations."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gnn_l2o._utils.optional import optional
from gnn_l2o.evaluation.overview import Entry, classes, references, tolerances
from gnn_l2o.evaluation.speedups import Speedup
from gnn_l2o.evaluation.tables import gaps

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

Key = tuple[str, str]  # row and column

Measure = Callable[[Entry], Speedup | None]

# Brown where the model is slower, blue-green where it is faster; told apart by colour-blind readers, white at 1x.
COLOURS = "BrBG"
DEEPEST = 5.0  # |log2| of the strongest colour: 32 times
FAINTEST = 1.0  # keeps speed-ups close to 1 pale
DARK = 0.6  # share of the strongest colour from which on the text is white


def draw_heat_map(entries: Sequence[Entry]) -> Figure:
    """Return a heat map of the speed-ups of one model.

    Rows are topologies and sizes, columns datasets. The first panel compares with the best handcrafted method, the
    others with the best of each class of them, if methods of both ran, and with the reference methods. The colour is
    log2 of the speed-up. The number itself stands in its square, with ``>`` or ``<`` where it is a bound and ``!``
    where a run of the model diverged. Squares are hatched where a run diverged or one of the algorithms did not reach
    the tolerance.
    """
    shown = [entry for entry in entries if entry.over_best is not None]
    keys, measures = places(shown), panels(shown)
    rows, columns = row_labels(shown), list(dict.fromkeys(column for _, column in keys))
    size = 3.0 + 1.25 * len(columns) * len(measures), 2.2 + 0.3 * len(rows)
    with optional("report"):
        from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    limit = strongest(measure(entry) for measure in measures.values() for entry in shown)
    axes = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    for ax, (title, measure) in zip(axes, measures.items(), strict=True):
        image = _panel(ax, dict(zip(keys, shown, strict=True)), rows, columns, measure, limit)
        ax.set_title(title, fontsize=10)
    bar = figure.colorbar(image, ax=figure.axes, location="bottom", shrink=0.5, aspect=40, pad=0.02)
    powers = range(-math.floor(limit), math.floor(limit) + 1)
    bar.set_ticks(list(powers), labels=[f"{2**k}x" if k >= 0 else f"1/{2**-k}x" for k in powers])
    figure.suptitle(f"{shown[0].model}: how many times fewer rounds to an optimality gap of {gaps(tolerances(shown))}")
    return figure


def panels(entries: Sequence[Entry]) -> dict[str, Measure]:
    """Return the speed-ups that heat maps show of a model, by title; of those algorithms that ran anywhere."""
    found: dict[str, Measure] = {"over the best tuned handcrafted method": lambda entry: entry.over_best}
    for key, label in classes(entries).items():
        found[f"over the best of {label}"] = lambda entry, key=key: entry.over_class(key)  # type: ignore[misc]
    for name, label in references(entries).items():
        found[f"over tuned {label}"] = lambda entry, name=name: entry.over(name)  # type: ignore[misc]
    return {title: measure for title, measure in found.items() if any(measure(entry) for entry in entries)}


def places(entries: Sequence[Entry]) -> list[Key]:
    """Return the place of each entry; where two runs have the same case, each gets a column of its own."""
    times = Counter(entry.case for entry in entries)
    shared = {case.dataset for case, count in times.items() if count > 1}
    return [
        (_row(entry), f"{entry.case.dataset},{entry.run}" if entry.case.dataset in shared else entry.case.dataset)
        for entry in entries
    ]


def _row(entry: Entry) -> str:
    return f"{entry.case.topology}, {entry.case.nodes}"


def row_labels(entries: Sequence[Entry]) -> list[str]:
    """Return the rows: topologies in the order in which they first appear, each from small to large."""
    order = list(dict.fromkeys(entry.case.topology for entry in entries))
    ranked = sorted(entries, key=lambda entry: (order.index(entry.case.topology), entry.case.nodes))
    return list(dict.fromkeys(map(_row, ranked)))


def strongest(speedups: Iterable[Speedup | None]) -> float:
    """Return the |log2| at which the colours end."""
    numbers = [s.shown for s in speedups if s is not None]
    return min(DEEPEST, max((FAINTEST, *(abs(math.log2(n)) for n in numbers if n))))


def _panel(
    ax: Axes,
    places: Mapping[Key, Entry],
    rows: Sequence[str],
    columns: Sequence[str],
    measure: Measure,
    limit: float,
) -> AxesImage:
    from matplotlib.patches import Rectangle  # it is there, since it drew the figure

    colours = np.full((len(rows), len(columns)), np.nan)
    for (row, column), entry in places.items():
        speedup = measure(entry)
        if speedup is None:
            continue
        y, x = rows.index(row), columns.index(column)
        if speedup.shown is not None:
            colours[y, x] = math.log2(speedup.shown)
        if entry.diverged or not speedup.is_exact:
            ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, hatch="///", edgecolor="0.6", linewidth=0))
        text = str(speedup).removesuffix("x") + ("!" if entry.diverged else "")
        is_dark = abs(colours[y, x]) > DARK * limit  # false where there is no number
        ax.text(x, y, text, ha="center", va="center", fontsize=8, color="white" if is_dark else "black")
    image = ax.imshow(colours, cmap=COLOURS, vmin=-limit, vmax=limit, aspect="auto")
    labels = [column.replace(":", "\n", 1).replace(",", "\n") for column in columns]
    ax.set_xticks(range(len(columns)), labels=labels, fontsize=8)
    ax.set_yticks(range(len(rows)), labels=rows, fontsize=8)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return image
