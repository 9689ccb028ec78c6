"""The legend below the panels of a figure, in as many columns as fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gnn_l2o._utils.optional import optional

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

MAX_COLUMNS = 5


def add_legend(figure: Figure, entries: Mapping[str, Artist]) -> None:
    """Put a legend below the panels, and make the figure higher by its height.

    It has the most columns, at most five, with which it is no wider than the figure; long names make these few.

    Args:
        figure: with a constrained layout, and no legend.
        entries: lines by their names.
    """
    with optional("report"):
        from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    for columns in range(min(len(entries), MAX_COLUMNS), 0, -1):
        legend = figure.legend(
            entries.values(), entries.keys(), loc="outside lower center", ncols=columns, frameon=False
        )
        extent = legend.get_window_extent(renderer)
        if extent.width <= figure.bbox.width or columns == 1:
            width, height = figure.get_size_inches()
            figure.set_size_inches(width, height + extent.height / figure.dpi)
            return
        legend.remove()
