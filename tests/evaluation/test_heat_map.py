"""Heat maps of speed-ups."""

import math

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from gnn_l2o.evaluation.heat_map import COLOURS, draw_heat_map
from gnn_l2o.evaluation.overview import Entry
from gnn_l2o.evaluation.record import Case
from tests.evaluation.small_cases import PATH, STAR
from tests.evaluation.small_overview import NEVER, entry


def texts(ax: Axes) -> dict[tuple[str, str], str]:
    """Return what is written in the cases of a panel, by the labels of row and column."""
    first = ax.figure.axes[0]  # the other panel has the same rows, and no labels
    columns, rows = ([label.get_text() for label in axis.get_ticklabels()] for axis in (ax.xaxis, first.yaxis))
    places = ((text.get_position(), text.get_text()) for text in ax.texts)
    return {(rows[int(y)], columns[int(x)]): text for (x, y), text in places}


def hatched(ax: Axes) -> set[tuple[int, int]]:
    """Return rows and columns of the hatched cases of a panel."""
    patches = [patch for patch in ax.patches if isinstance(patch, Rectangle) and patch.get_hatch()]
    return {(round(patch.get_y() + 0.5), round(patch.get_x() + 0.5)) for patch in patches}


def test_a_heat_map_has_the_speed_ups_in_their_cases(found: list[Entry]) -> None:
    best, prox_ed, *_ = draw_heat_map(found).axes
    assert best.get_title() == "over the best tuned handcrafted method"
    assert prox_ed.get_title() == "over tuned Prox-ED"
    assert texts(best) == {
        ("ring, 10", "lasso"): "2.2",
        ("star, 10", "lasso"): "0.38x to 0.41!",
        ("path, 50", "linear"): "2.0",
    }
    assert list(texts(prox_ed).values()) == ["4.4", ">12.5!", "2.0"]
    assert hatched(best) == hatched(prox_ed) == {(1, 0)}
    colours = prox_ed.images[0].get_array()
    assert colours is not None
    np.testing.assert_allclose(colours.filled(0), [[math.log2((4 + 500 / 105) / 2), 0], [math.log2(12.5), 0], [0, 1]])
    assert colours.mask.tolist() == [[False, True], [False, True], [True, False]]
    assert best.images[0].get_clim() == prox_ed.images[0].get_clim() == (-math.log2(12.5), math.log2(12.5))


def test_the_colours_are_centred_at_one_and_end_somewhere() -> None:
    cases = [entry(1, 1), entry(1, 200, case=STAR), entry(100, 105, case=PATH)]
    ax = draw_heat_map(cases).axes[0]
    image = ax.images[0]
    assert image.get_clim() == (-5, 5)
    white, strong, _ = (to_hex(image.cmap(image.norm(value))) for value in (0.0, math.log2(200), 0.0))
    assert white == to_hex(mpl.colormaps[COLOURS](0.5))
    assert strong == to_hex(mpl.colormaps[COLOURS](1.0))
    assert [text.get_color() for text in ax.texts] == ["black", "white", "black"]
    faint = draw_heat_map([cases[0], cases[2]])
    assert faint.axes[0].images[0].get_clim() == (-1, 1)
    assert [label.get_text() for label in faint.axes[-1].xaxis.get_ticklabels()] == ["1/2x", "1x", "2x"]


def test_bounds_are_hatched() -> None:
    cases = [entry(1, 2), entry(1, NEVER, case=STAR), entry(NEVER, 1, case=PATH), entry(1, 4, case=Case("x", "x", 1))]
    ax = draw_heat_map(cases).axes[0]
    assert list(texts(ax).values()) == ["2.0", ">1000", "<0.00", "4.0"]
    assert hatched(ax) == {(1, 0), (2, 1)}


def test_rows_are_sorted_by_size_within_a_topology() -> None:
    cases = [Case("a", "star", 50), Case("a", "ring", 100), Case("b", "ring", 9), Case("a", "star", 10)]
    ax = draw_heat_map([entry(1, 2, case=case) for case in cases]).axes[0]
    labels = [label.get_text() for label in ax.yaxis.get_ticklabels()]
    assert labels == ["star, 10", "star, 50", "ring, 9", "ring, 100"]
    assert texts(ax).keys() == {(f"{case.topology}, {case.nodes}", case.dataset) for case in cases}


def test_the_same_cell_in_two_runs_has_two_columns() -> None:
    cases = [entry(1, 2, run="metropolis"), entry(1, 3, run="fastest"), entry(1, 4, run="fastest", case=PATH)]
    ax = draw_heat_map(cases).axes[0]
    assert texts(ax) == {
        ("ring, 10", "lasso\nmetropolis"): "2.0",
        ("ring, 10", "lasso\nfastest"): "3.0",
        ("path, 50", "linear"): "4.0",
    }


def test_without_prox_ed_there_is_one_panel() -> None:
    panel, _ = draw_heat_map([entry(1, 2), entry(1, 2, case=STAR)]).axes  # and the colour bar
    assert panel.get_title() == "over the best tuned handcrafted method"
