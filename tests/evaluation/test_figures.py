"""Figures: what they show, and that none costs a result."""

import re
import xml.etree.ElementTree
from pathlib import Path

import numpy as np
import pytest

from gnn_l2o.evaluation import Results, save_figures
from gnn_l2o.evaluation.curves import LEADING, abscissa, leaders, stack
from gnn_l2o.evaluation.figures import draw
from gnn_l2o.handcrafted import HANDCRAFTED
from tests.evaluation.small_cases import RING
from tests.evaluation.small_evaluation import small
from tests.evaluation.small_results import COSTS, empty, made_up


def test_figures_are_written(compared: Results, tmp_path: Path) -> None:
    files = save_figures(compared, tmp_path)
    names = ["lasso_ring_10", "front_lasso_ring_10"]
    assert [f.name for f in files] == [f"{name}.{ending}" for name in names for ending in ("png", "svg")]
    png, svg, *_ = files
    assert png.read_bytes().startswith(b"\x89PNG") and png.stat().st_size > 20_000
    text = svg.read_text()
    assert xml.etree.ElementTree.fromstring(text).tag.endswith("svg")
    for label in ("Prox-ED", "Prox-DGD", "ours (model)", "communication rounds", "median and range of 3 instances"):
        assert f"<!-- {label}" in text or label in text, label


def test_figures_show_every_algorithm_against_iterations_and_rounds(compared: Results) -> None:
    axes = draw(compared, RING).axes
    assert len(axes) == 6  # three metrics; one class of methods
    by_iterations, by_rounds = ({line.get_label(): line for line in ax.lines} for ax in axes[:2])
    assert list(by_iterations) == ["ours (model)", "Prox-ED", "Prox-DGD"]
    for name, cost in (("Prox-ED", 2), ("ours (model)", 1)):
        np.testing.assert_array_equal(by_rounds[name].get_xdata(), cost * by_iterations[name].get_xdata())


def test_of_many_methods_the_best_stand_out_in_figures() -> None:
    names = [name for name in HANDCRAFTED if name != "prox_ed"]
    found = empty(["ours"], ["prox_ed", *names], ["tuned_constants"])
    extra = [f"method{k}" for k in range(12 - len(names))]
    found.settings["handcrafted"] += extra
    for k, name in enumerate([*names, *extra, "ours", "tuned_constants", "prox_ed"]):
        found.runs.append(made_up(name, 0, 100 + k))
    assert leaders(found, RING) == [*[*names, *extra][:LEADING], "ours", "prox_ed"]
    figure = draw(found, RING)
    others = len(names) + len(extra) + 1 - LEADING
    assert len(figure.axes[0].lines) == others + LEADING + 2
    looks = {(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines}
    assert len(looks) == 1 + LEADING + 2
    assert figure.legends[0].get_texts()[-1].get_text() == f"{others} other methods"


def test_figures_reach_a_hundredth_below_the_tightest_tolerance(compared: Results) -> None:
    deep = made_up("prox_ed", 0, 50)
    deep.trace["gap"][-1] = 1e-15
    compared.runs.append(deep)
    assert draw(compared, RING, [1e-4]).axes[0].get_ylim()[0] > 1e-7


def test_a_run_that_stopped_early_is_far_off_from_then_on() -> None:
    whole, cut = made_up("prox_ed", 0, 400), made_up("prox_ed", 1, None, diverged=True)
    for values in cut.trace.values():
        del values[2:]
    assert abscissa([cut, whole], "iteration")[1:].tolist() == [1, 2, 400, 401]
    assert stack([cut, whole], "gap")[:, 1:].tolist() == [[0.9, *[np.inf] * 3], [0.9, 0.5, 1e-4, 1e-4]]


def test_a_run_that_a_rule_stopped_stays_where_it_was() -> None:
    whole, cut = made_up("prox_ed", 0, 400), made_up("prox_ed", 1, 400)
    for values in cut.trace.values():
        del values[3:]
    assert stack([cut, whole], "gap")[:, 1:].tolist() == [[0.9, *[0.5] * 3], [0.9, 0.5, 1e-4, 1e-4]]


def test_a_figure_of_one_run_that_only_diverged_can_be_drawn(tmp_path: Path) -> None:
    found = empty([], ["prox_ed"])
    found.runs.append(made_up("prox_ed", 0, None, diverged=True))
    assert all(f.stat().st_size for f in save_figures(found, tmp_path))


def test_a_figure_never_costs_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("Data cannot be log-scaled because all values are <= 0.")

    monkeypatch.setattr("gnn_l2o.evaluation.figures.draw", broken)
    out = tmp_path / "out"
    with pytest.warns(UserWarning, match=r"the figure .* was left out, as it cannot be drawn: Data cannot be log"):
        small(nodes=[4], instances=1, algorithms=["prox_ed"], output=out)
    assert Results.load(out).runs
    assert (out / "report.md").is_file() and (out / "summary.csv").is_file()
    drawn = {f"figures/{path.name}" for path in (out / "figures").glob("*.png")}
    assert drawn and all("front" in path for path in drawn)
    assert set(re.findall(r"!\[.*\]\((.*)\)", (out / "report.md").read_text(encoding="utf-8"))) == drawn


@pytest.mark.parametrize("gap", [np.nan, -np.inf, 0.0, -1.0, 1e300])
def test_gaps_that_no_logarithm_shows_leave_the_rest_of_a_figure(
    gap: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gnn_l2o.evaluation.figures.FORMATS", ("png",))
    found = empty([], ["prox_ed"])
    found.runs.append(made_up("prox_ed", 0, 400))
    trace = found.runs[0].trace
    for name in set(trace) - {"iteration", *COSTS}:
        trace[name][:] = [gap] * len(trace[name])
    assert all(f.stat().st_size for f in save_figures(found, tmp_path))
