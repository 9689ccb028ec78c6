"""The heat maps of a page: tables of speed-ups whose squares lead to their cases."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gnn_l2o._utils.optional import optional
from gnn_l2o.evaluation.heat_map import COLOURS, DARK, Measure, panels, places, row_labels, strongest
from gnn_l2o.evaluation.overview import Entry
from gnn_l2o.evaluation.record import Case


@dataclass(frozen=True)
class Square:
    """A case in a heat map.

    Attributes:
        text: the speed-up, with ``!`` where a run diverged.
        hint: what is shown under the mouse.
        target: the identifier of the case on the page.
        colour: of the background, ``"#rrggbb"``; empty where there is no number.
        is_dark: whether the text has to be white.
        is_bound: whether a run diverged or an algorithm did not reach the tolerance.
    """

    text: str
    hint: str
    target: str
    colour: str
    is_dark: bool
    is_bound: bool


@dataclass(frozen=True)
class HeatMap:
    """The speed-ups of a model over an algorithm.

    Attributes:
        title: model and algorithm.
        columns: datasets.
        rows: topologies and sizes, with a square for each column; ``None`` where there is no case.
    """

    title: str
    columns: list[str]
    rows: list[tuple[str, list[Square | None]]]


def heat_maps(entries: Sequence[Entry], targets: Mapping[tuple[str, Case], str]) -> list[HeatMap]:
    """Return a heat map for each model and each algorithm that it is compared with, where there are two cases.

    Args:
        entries: what the evaluations found.
        targets: the identifiers of the cases, by evaluation and case.
    """
    found = []
    for model in dict.fromkeys(entry.model for entry in entries):
        shown = [entry for entry in entries if entry.model == model and entry.over_best is not None]
        if len(shown) > 1:
            found += [
                _heat_map(f"{model} {title}", shown, measure, targets) for title, measure in panels(shown).items()
            ]
    return found


def _heat_map(
    title: str, entries: Sequence[Entry], measure: Measure, targets: Mapping[tuple[str, Case], str]
) -> HeatMap:
    limit = strongest(map(measure, entries))
    placed = dict(zip(places(entries), entries, strict=True))
    columns = list(dict.fromkeys(column for _, column in placed))
    rows: list[tuple[str, list[Square | None]]] = []
    for row in row_labels(entries):
        there = (placed.get((row, column)) for column in columns)
        squares = [None if e is None else _square(e, measure, limit, targets[e.run, e.case]) for e in there]
        rows.append((row, squares))
    return HeatMap(title, columns, rows)


def _square(entry: Entry, measure: Measure, limit: float, target: str) -> Square | None:
    speedup = measure(entry)
    if speedup is None:
        return None
    share = 0.0 if speedup.shown is None else math.log2(speedup.shown) / limit
    return Square(
        text=str(speedup) + ("!" if entry.diverged else ""),
        hint=f"{entry.case}: {entry.diverged} of {entry.instances} runs diverged; open its curves",
        target=target,
        colour="" if speedup.shown is None else colour(share),
        is_dark=abs(share) > DARK,
        is_bound=bool(entry.diverged) or not speedup.is_exact,
    )


def colour(share: float) -> str:
    """Return the colour of a share of the strongest speed-up, from -1 (slower) to 1 (faster)."""
    with optional("report"):
        import matplotlib
        from matplotlib.colors import to_hex

    return str(to_hex(matplotlib.colormaps[COLOURS](min(max(0.5 + share / 2, 0.0), 1.0))))
