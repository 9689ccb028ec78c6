"""The settings that tuning tries beyond the declared grid of a method: past its edges, and between its values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gnn_l2o.algorithms.tunable import Choice, Method, Range, Setting


def widen(method: Method, tried: Sequence[Setting], best: Setting) -> tuple[list[Setting], str]:
    """Return settings beyond the first edge of the tried ones at which the best one lies, and a warning that says so.

    Both are empty where the best setting lies at no open edge.
    """
    for name, axis in method.grid.items():
        values = _values(tried, name)
        if isinstance(axis, Choice) or not axis.open or len(values) < 2 or best[name] not in (values[0], values[-1]):
            continue
        upwards = best[name] == values[-1]
        more = axis.beyond(values, upwards=upwards)
        if not more:
            continue
        edge = "largest" if upwards else "smallest"
        warning = f"{method.name}: the best {name}, {best[name]:.3g}, is the {edge} one tried; the grid is widened"
        return [{**best, name: value} for value in more], warning
    return [], ""


def shares(method: Method, points: int) -> dict[str, int]:
    """Share out values to try between those of the grid: evenly over the ranges, the remainder to the first range."""
    ranges = [name for name, axis in method.grid.items() if isinstance(axis, Range)]
    shared = {name: points // len(ranges) for name in ranges}
    shared[ranges[0]] += points % len(ranges)
    return shared


def refine(method: Method, name: str, tried: Sequence[Setting], best: Setting, points: int) -> list[Setting]:
    """Return settings with values of one parameter between the best one's neighbours, in the spacing of the range."""
    axis = method.grid[name]
    assert isinstance(axis, Range)
    values = _values(tried, name)
    if len(values) == 1:
        inside = axis.between(axis.low, axis.high, points)
    else:
        position = values.index(best[name])
        around = values[max(0, position - 1)], values[min(len(values) - 1, position + 1)]
        inside = axis.between(*around, points + 2)[1:-1]
    return [{**best, name: value} for value in inside if not np.isclose(value, values).any()]


def _values(tried: Sequence[Setting], name: str) -> list[float]:
    """Return the values of a parameter that were tried, ascending."""
    return sorted({setting[name] for setting in tried})
