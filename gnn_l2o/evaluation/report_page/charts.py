"""The charts of the page, as specifications of Vega-Lite without data, which the page fills in."""

from __future__ import annotations

from typing import Any

from gnn_l2o._utils.optional import optional

ROWS, PUBLISHED = "rows", "published"  # the data sets that the page gives to charts


def specifications() -> dict[str, Any]:
    """Return the specifications of all charts, by name."""
    charts = {"curves": _curves(), "trials": _trials(), "network": _network(), "consensus": _consensus()}
    return {name: _without_address(chart.to_dict()) for name, chart in charts.items()}


def _curves() -> Any:
    """Lines over x, those that lead in colour with bands, limits dotted; the one under the mouse stands out.

    Published values are dashed.
    """
    with optional("report"):
        import altair as alt

    base = alt.Chart(alt.NamedData(ROWS)).encode(x=alt.X("x:Q"), y=alt.Y("y:Q"), detail="label:N")
    near = alt.selection_point(
        name="near", fields=["label"], nearest=True, on="pointermove", clear="pointerout", empty=False
    )
    colour = alt.Color("color:N", scale=None)
    band = base.transform_filter("datum.lead && datum.low !== null").mark_area(opacity=0.13, clip=True)
    band = band.encode(y=alt.Y("low:Q"), y2="high:Q", color=colour)
    faint = base.transform_filter("!datum.lead && !datum.limit").mark_line(strokeWidth=0.8, opacity=0.4, clip=True)
    limits = base.transform_filter("datum.limit").mark_line(strokeWidth=1.2, strokeDash=[2, 3], opacity=0.8, clip=True)
    lead = base.transform_filter("datum.lead").mark_line(clip=True)
    lead = lead.encode(color=colour, strokeWidth=alt.condition("datum.model", alt.value(2.8), alt.value(1.7)))
    over = base.transform_filter(near).mark_line(strokeWidth=4, opacity=0.7, clip=True).encode(color=colour)
    tooltip = [
        alt.Tooltip("label:N", title="algorithm"),
        alt.Tooltip("x:Q", format=".4~g"),
        alt.Tooltip("y:Q", format=".3e"),
    ]
    points = base.mark_point(opacity=0, size=60, clip=True).encode(tooltip=tooltip).add_params(near)
    published = alt.Chart(alt.NamedData(PUBLISHED)).encode(y=alt.Y("y:Q"), color=colour)
    dashed = published.mark_rule(clip=True, strokeWidth=1.3).encode(strokeDash=alt.StrokeDash("dash:N", scale=None))
    marks = published.transform_filter("datum.x !== null").mark_point(shape="diamond", size=50, clip=True)
    layers = (band, faint, limits, dashed, lead, marks.encode(x=alt.X("x:Q")), over, points)
    return alt.layer(*layers).properties(width="container", height=400)


def _trials() -> Any:
    """Settings that were tried: rounds over one parameter."""
    with optional("report"):
        import altair as alt

    outcomes = ["reached the tolerance", "stopped, much slower", "did not reach it", "diverged"]
    colours = ["#0072B2", "#56B4E9", "#E69F00", "#D55E00"]
    base = alt.Chart(alt.NamedData(ROWS)).encode(x=alt.X("x:Q"), y=alt.Y("y:Q", title="rounds, mean over instances"))
    points = base.mark_point(filled=True, size=55, opacity=0.85).encode(
        color=alt.Color(
            "outcome:N",
            scale=alt.Scale(domain=outcomes, range=colours),
            legend=alt.Legend(orient="bottom", title=None, columns=2),
        ),
        shape=alt.Shape(
            "outcome:N", scale=alt.Scale(domain=outcomes, range=["circle", "square", "triangle-up", "cross"])
        ),
        tooltip=[
            alt.Tooltip("setting:N"),
            alt.Tooltip("rounds:Q", format=".4~g"),
            alt.Tooltip("outcome:N"),
        ],
    )
    chosen = base.transform_filter("datum.chosen").mark_point(size=230, strokeWidth=2, shape="circle", color="#D55E00")
    return alt.layer(points, chosen).properties(width=300, height=220)


def _network() -> Any:
    """Nodes, coloured by how far they are from their average, and the links between them."""
    with optional("report"):
        import altair as alt

    x = alt.X("x:Q", axis=None, scale=alt.Scale(padding=18))
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(padding=18))
    links = alt.Chart(alt.NamedData("links")).mark_rule(strokeWidth=1, color="#8a8a8a", opacity=0.6)
    links = links.encode(x=x, y=y, x2="x2:Q", y2="y2:Q")
    nodes = alt.Chart(alt.NamedData(ROWS)).mark_circle(size=230, opacity=1, stroke="#8a8a8a", strokeWidth=1)
    nodes = nodes.encode(
        x=x,
        y=y,
        color=alt.Color(
            "distance:Q",
            scale=alt.Scale(scheme="viridis", clamp=True),
            legend=alt.Legend(
                title="distance from the average", labelExpr="'1e' + datum.label", orient="bottom", tickCount=3
            ),
        ),
        tooltip=[alt.Tooltip("node:O"), alt.Tooltip("text:N", title="distance")],
    )
    return alt.layer(links, nodes).properties(width="container", height=320)


def _consensus() -> Any:
    """The consensus error over the rounds, and where the drawing of the network is."""
    with optional("report"):
        import altair as alt

    base = alt.Chart(alt.NamedData(ROWS)).encode(
        x=alt.X("rounds:Q", title="communication rounds", scale=alt.Scale(type="log")),
        y=alt.Y(
            "error:Q", title="consensus error", scale=alt.Scale(type="log"), axis=alt.Axis(format=".0e", tickCount=5)
        ),
    )
    line = base.mark_line(strokeWidth=2)
    now = base.transform_filter("datum.now").mark_point(size=160, filled=True, color="#D55E00", opacity=1)
    return alt.layer(line, now).properties(width="container", height=320)


def _without_address(specification: dict[str, Any]) -> dict[str, Any]:
    """Return a specification without the address of its schema, which the page does not need."""
    return {key: value for key, value in specification.items() if key != "$schema"}
