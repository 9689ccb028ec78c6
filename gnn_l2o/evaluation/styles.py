"""How algorithms are drawn, the same way in all figures of an evaluation."""

from __future__ import annotations

from typing import Any

from gnn_l2o.evaluation.results import Results

# Okabe, Ito (2008): colours that colour-blind readers can tell apart; those similar to vermilion are for models.
MODEL_COLOURS = ("#D55E00", "#CC79A7", "#E69F00", "#882255", "#5C2E00", "#F4756B", "#A6761D", "#F2B8A0")
REFERENCE_COLOUR = "#0072B2"
HANDCRAFTED_COLOURS = ("#009E73", "#7A5195", "#56B4E9", "#B8A400", "#888888", "#2F4B7C", "#8C564B", "#17BECF")
LIMIT_COLOURS = ("#A0A0A0", "#606060", "#C8C8C8", "#303030")
DASHES = ("-", "--", "-.", ":")
PUBLISHED_COLOURS = ("#202020", "#909090")
PUBLISHED_DASHES = ((0, (7, 3)), (0, (3, 2)), (0, (9, 2, 2, 2)), (0, (14, 3)))


def style(results: Results, name: str) -> dict[str, Any]:
    """Return colour, width, dashes, label and order of the line of an algorithm."""
    if name in results.models:
        turn, position = divmod(results.models.index(name), len(MODEL_COLOURS))
        look = {"color": MODEL_COLOURS[position], "linewidth": 2.4, "linestyle": DASHES[turn % len(DASHES)]}
    elif name in results.limits:
        shade = LIMIT_COLOURS[results.limits.index(name) % len(LIMIT_COLOURS)]
        look = {"color": shade, "linewidth": 1.4, "linestyle": ":"}
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


def published_style(position: int, colour: str | None) -> dict[str, Any]:
    """Return colour, width, dashes and order of the line of a published value.

    Args:
        position: of the value among those that are grey, which differ in shade or dashes.
        colour: of the algorithm that the value is of; ``None`` for one that did not run, which is grey.
    """
    shade, dashes = divmod(position, len(PUBLISHED_DASHES))
    look: dict[str, Any] = {"linewidth": 1.1, "zorder": 1.5}
    if colour is not None:
        return {**look, "color": colour, "linestyle": PUBLISHED_DASHES[0]}
    return {
        **look,
        "color": PUBLISHED_COLOURS[shade % len(PUBLISHED_COLOURS)],
        "linestyle": PUBLISHED_DASHES[dashes],
    }
