"""Figures of rounds against gradients: panels where there are both classes, and the front."""

import numpy as np

from gnn_l2o.evaluation import Results
from gnn_l2o.evaluation.figures import draw
from gnn_l2o.evaluation.front import Point, draw_front, pareto, points
from tests.evaluation.small_cases import RING


def test_figures_have_panels_against_gradients_where_there_are_both_classes(results: Results) -> None:
    figure = draw(results, RING)
    assert [ax.get_xlabel() for ax in figure.axes[-3:]] == ["iterations", "communication rounds", "gradients of a node"]
    lines = {line.get_label(): line for line in figure.axes[2].lines}
    np.testing.assert_array_equal(lines["ADMM"].get_xdata(), [40, 1600, 1640])
    assert lines["limit: fista"].get_linestyle() == ":" and lines["limit: fista"].get_color() == "#606060"
    by_rounds = {line.get_label() for line in figure.axes[1].lines}
    assert {results.label(name) for name in results.limits} <= by_rounds
    figure.canvas.draw()
    results.runs = [run for run in results.runs if run.algorithm in ("ours", "prox_ed", "fista")]
    assert len(draw(results, RING).axes) == 4


def test_the_front_is_what_nothing_beats_in_both() -> None:
    found = {"a": Point(10, 50), "b": Point(20, 50), "c": Point(30, 20), "d": Point(40, 30), "e": Point(30, 20)}
    found |= {"f": Point(10, 60), "g": Point(90, 1)}
    assert pareto(found) == ["a", "c", "e", "g"]
    random = np.random.default_rng(0)
    many = {str(k): Point(*point) for k, point in enumerate(random.integers(1, 8, (40, 2)).tolist())}
    beaten = {
        n
        for n, p in many.items()
        if any(q.gradients <= p.gradients and q.rounds <= p.rounds and q != p for q in many.values())
    }
    assert set(pareto(many)) == set(many) - beaten


def test_the_front_joins_the_numbers_of_local_steps(results: Results) -> None:
    assert points(results, RING)["admm"] == Point(1600, 40)
    assert not {"late", "diameter"} & set(points(results, RING))  # did not arrive; takes no gradients
    figure = draw_front(results, RING)
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    family = lines["consensus ADMM, more local steps"]
    assert list(zip(family.get_xdata(), family.get_ydata(), strict=True)) == [
        (200, 200), (400, 100), (800, 50), (1600, 40)
    ]  # fmt: skip
    front = lines["Pareto front"]
    assert list(zip(front.get_xdata(), front.get_ydata(), strict=True)) == [(60, 60), (800, 50), (1600, 40)]
    assert {text.get_text() for text in figure.axes[0].texts} == {results.label(name) for name in points(results, RING)}
    assert "2 of 10 algorithms without a point" in figure.get_suptitle()
    results.runs = [run for run in results.runs if run.algorithm not in ("admm_4", "admm_16")]
    labels = {line.get_label() for line in draw_front(results, RING).axes[0].lines}
    assert "consensus ADMM, more local steps" not in labels
