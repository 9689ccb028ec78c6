"""Values of papers beside results: what presets may say of them, where they are shown, and that they decide nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import Cost
from gnn_l2o.evaluation import METRICS, Metrics, Reference, Results, notes
from gnn_l2o.evaluation.aggregate import over_instances
from gnn_l2o.evaluation.figures import draw
from gnn_l2o.evaluation.presets import load_preset
from gnn_l2o.evaluation.record import Case, Run
from gnn_l2o.evaluation.report import report
from gnn_l2o.evaluation.report_page.case_data import GREY
from gnn_l2o.evaluation.report_page.page import cases, data
from gnn_l2o.evaluation.runner import Trace
from gnn_l2o.evaluation.styles import style
from gnn_l2o.graph.build import build_network
from gnn_l2o.problems import Problem, Stochastic, solve
from tests.small_data import image_folder

ALONE, RING = Case("sparse_recovery", "complete", 1), Case("sparse_recovery", "ring", 10)
FLAGS = {"model", "dataset", "nodes", "metrics", "iterations"}
VALUE: dict[str, Any] = {
    "label": "ALISTA",
    "value": -79.0,
    "metric": "nmse_db",
    "iteration": 2,
    "source": "read off figure 5 of a paper",
    "setting": "256 x 512",
    "like": "ours",
    "datasets": ["sparse_recovery"],
    "nodes": [1],
}
PRESET = """
description = "One."
[[run]]
name = "one"
model = "none"
metrics = ["nmse_db"]
dataset = "sparse_recovery"
nodes = 1
iterations = 16
full = { dataset = ["sparse_recovery:snr=20"] }
[[run.published]]
source = "figure 5 of a paper"
metric = "nmse_db"
iteration = 16
values = [{ label = "ALISTA", value = -79, like = "ours" }, { label = "LISTA", value = -35.5 }]
"""


def run(algorithm: str, case: Case, instance: int, *, last: float, weight: float = 1.0) -> Run:
    """Return a run of three checkpoints, whose NMSE ends at a value."""
    measures = {"optimality_gap": [1.0, 0.5, 0.1 / (1 + instance)], "nmse_db": [0.0, last / 2, last]}
    spent = [Cost(rounds=k, vectors=k, gradients=k) for k in range(3)]
    trace = Trace([0, 1, 2], measures, [0.0, 0.1, 0.2], spent, weights={"nmse_db": weight})
    return Run.from_trace(trace, Cost(1, 1), algorithm=algorithm, case=case, instance=instance)


@pytest.fixture
def results() -> Results:
    settings = {"models": {"ours": "0"}, "handcrafted": ["prox_ed"], "tuned": [], "tuning_tolerance": 1e-4}
    settings |= {"instances": 2, "iterations": 2, "dtype": "float64", "batch_size": None, "mixing": "metropolis"}
    settings |= {"tuning_instances": 1, "tuning_budget": 4, "metrics": ["optimality_gap", "nmse_db"]}
    found = Results("a test", 0, settings)
    for case in (ALONE, RING):
        for instance, last in enumerate((-40.0, -10.0)):
            found.runs += [run("ours", case, instance, last=last), run("prox_ed", case, instance, last=last / 2)]
    return found


# --- what presets say


def test_a_preset_says_what_papers_report(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(PRESET)
    [one] = load_preset(str(file), FLAGS).runs
    assert [(v.label, v.value, v.like, v.iteration) for v in one.published] == [
        ("ALISTA", -79.0, "ours", 16),
        ("LISTA", -35.5, "", 16),
    ]
    assert {tuple(v.datasets) for v in one.published} == {("sparse_recovery", "sparse_recovery:snr=20")}
    assert {tuple(v.nodes) for v in one.published} == {(1,)}
    assert "--published" not in one.arguments(full=True)
    file.write_text(PRESET.replace("iteration = 16\nvalues", 'iteration = 16\ndataset = "sparse_recovery"\nvalues'))
    [one] = load_preset(str(file), FLAGS).runs
    assert {tuple(v.datasets) for v in one.published} == {("sparse_recovery",)}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "iteration = 16\nvalues",
            "iterations = 16\nvalues",
            r"unknown key of published in FILE: 'iterations'; did you",
        ),
        ("value = -79", "valu = -79", r"unknown key of published.values.0 in FILE: 'valu'; did you mean 'value'"),
        (
            'metric = "nmse_db"',
            'metric = "nmse"',
            r"unknown metric of published values in FILE, which its run measures",
        ),
        (
            "value = -79",
            'value = "-79"',
            r"published.values.0.value in FILE: Input should be a valid number, got '-79'",
        ),
        ("value = -79", "value = nan", r"published.values.0.value in FILE: Input should be a finite number, got nan"),
        ("iteration = 16\nvalues", "iteration = -1\nvalues", r"published.iteration in FILE: Input should be greater"),
        ('source = "figure 5 of a paper"', "", r"published.source in FILE: Field required"),
        ("iteration = 16\nv", 'iteration = 16\ndataset = "lasso"\nv', r"unknown dataset of published values in FILE"),
        ("nodes = 1", "", r"a run with published values in FILE has to name its dataset and its nodes"),
        ("[[run.published]]", "[run.published]", r"published in FILE must be tables, each under a line \[\[run.publ"),
        ("values = [", "values = [] #", r"published.values in FILE: List should have at least 1 item"),
    ],
)
def test_what_a_preset_may_not_say_is_one_line(old: str, new: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    assert old in PRESET
    file.write_text(PRESET.replace(old, new))
    with pytest.raises(InputError, match="^" + message.replace("FILE", str(file))):
        load_preset(str(file), FLAGS)


# --- where they are shown


def test_a_value_is_a_dashed_line_in_the_panels_of_its_metric_and_case(results: Results) -> None:
    grey = {**VALUE, "label": "LISTA", "value": -35.0, "like": "elsewhere", "iteration": 10_000}
    results.published = [VALUE, grey]
    figure = draw(results, ALONE)
    gap, decibels = figure.axes[:2], figure.axes[2:]
    caption = "ALISTA, published: -79 after 2 iterations, 256 x 512"
    for ax in decibels:
        lines = {line.get_label(): line for line in ax.lines}
        assert set(lines[caption].get_ydata()) == {-79.0}
        assert lines[caption].is_dashed() and lines[caption].get_color() == style(results, "ours")["color"]
        other = lines["LISTA, published: -35 after 10,000 iterations, 256 x 512"]
        assert set(other.get_ydata()) == {-35.0} and other.get_color() not in {lines[caption].get_color()}
        assert ax.get_ylim()[0] < -79
    marks = [[line for line in ax.lines if line.get_marker() == "D"] for ax in figure.axes]
    assert [len(found) for found in marks] == [0, 0, 1, 0]  # none at 10,000 iterations, where no run was
    assert marks[2][0].get_xydata().tolist() == [[2.0, -79.0]]
    assert all("published" not in str(line.get_label()) for ax in gap for line in ax.lines)
    [legend] = figure.legends
    assert caption in [text.get_text() for text in legend.get_texts()]
    assert all("published" not in str(line.get_label()) for ax in draw(results, RING).axes for line in ax.lines)


def test_the_page_has_the_same_lines(results: Results) -> None:
    elsewhere = {**VALUE, "like": "elsewhere"}
    results.published = [VALUE, *({**elsewhere, "label": name, "value": -35.0} for name in ("LISTA", "LAMP"))]
    content = data(cases({"": results}), (1e-4,))
    alone, ring = (content["cases"][target]["published"] for target in ("case-0", "case-1"))
    shared = {"metric": "nmse_db", "iteration": 2}
    conditions = "after 2 iterations, 256 x 512"
    assert alone == [
        {**shared, "label": f"{name}, published: {y:g} {conditions}", "y": y, "color": colour, "dash": dash}
        for name, y, colour, dash in (
            ("ALISTA", -79.0, style(results, "ours")["color"], [7, 3]),
            ("LISTA", -35.0, GREY, [7, 3]),
            ("LAMP", -35.0, GREY, [3, 2]),
        )
    ]
    assert ring == []
    [dashed] = [layer for layer in content["charts"]["curves"]["layer"] if layer["mark"]["type"] == "rule"]
    assert dashed["data"] == {"name": "published"}
    assert {name: channel["field"] for name, channel in dashed["encoding"].items()} == {
        "color": "color",
        "strokeDash": "dash",
        "y": "y",
    }


def test_a_logarithmic_axis_reaches_to_published_values(results: Results) -> None:
    results.published = [{**VALUE, "metric": "optimality_gap", "value": value} for value in (1e-7, 130.0, -1.0)]
    low, high = draw(results, ALONE).axes[0].get_ylim()
    assert low < 1e-7 and high > 130


def test_published_values_take_part_in_nothing(results: Results, tmp_path: Path) -> None:
    before = report(results), results.summary()
    results.published = [{**VALUE, "datasets": ["sparse_recovery", "sparse_recovery:snr=20"]}]
    said = report(results)
    note = "- NMSE in dB after 2 iterations, 256 x 512, on sparse_recovery: ALISTA -79 (read off figure 5 of a paper)"
    assert note in said
    assert (
        "".join(
            said.split(f"\n\n## Published values, dashed in figures, which are no results of this evaluation\n\n{note}")
        )
        == (before[0])
    )
    assert results.summary() == before[1]
    results.save(tmp_path)
    assert Results.load(tmp_path) == results
    results.published = [{**VALUE, "datasets": ["lasso"]}]
    assert notes.published(results) == []


def test_legends_of_long_names_stay_within_the_figure(results: Results) -> None:
    results.published = [{**VALUE, "label": f"a long name, number {k}", "setting": ""} for k in range(7)]
    del results.metrics["optimality_gap"]  # the panels of one metric are enough
    figure = draw(results, ALONE)
    figure.draw_without_rendering()
    [legend] = figure.legends
    box = legend.get_window_extent()
    assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.width
    assert box.y1 < min(ax.get_window_extent().y0 for ax in figure.axes)
    assert figure.get_figheight() - 3.75 == pytest.approx(box.height / figure.dpi, rel=0.05)  # panels stay as high
    assert len(legend.get_texts()) == 9
    assert len({round(text.get_window_extent().x0) for text in legend.get_texts()}) == 2  # columns


# --- the measures of papers


def measured_against(problem: Problem) -> Reference:
    found = solve(problem)
    return Reference(problem, found.x, found.value, problem.initial_point().double())


def test_the_mean_over_instances_is_weighted() -> None:
    runs = [run("ours", ALONE, k, last=-1.0, weight=w) for k, w in enumerate((1.0, 3.0))]
    values = np.array([[2.0, 8.0], [6.0, 4.0]])
    mean, median = ({"aggregate": kind} for kind in ("mean", "median"))
    np.testing.assert_allclose(over_instances(values, runs, "nmse_db", mean), [5.0, 5.0])
    np.testing.assert_allclose(over_instances(values, runs, "nmse_db", median), [4.0, 6.0])
    np.testing.assert_allclose(over_instances(values, runs, "nmse", mean), [4.0, 6.0])  # of another metric: weights 1


def test_figures_and_tables_have_the_mean_where_the_metric_says_so(results: Results) -> None:
    results.runs.append(run("ours", ALONE, 2, last=-100.0))
    assert results.final(ALONE, "ours", "nmse_db") == pytest.approx((-40.0 - 10.0 - 100.0) / 3)
    lines = {line.get_label(): line for line in draw(results, ALONE).axes[2].lines}
    assert lines["ours (model)"].get_ydata()[-1] == pytest.approx(-50.0)
    gap = {line.get_label(): line for line in draw(results, ALONE).axes[0].lines}["ours (model)"]
    assert gap.get_ydata()[-1] == pytest.approx(0.05)  # the median of 0.1, 0.05 and 0.033


def test_the_excess_over_many_instances_is_the_measure_of_the_benchmark() -> None:
    network, dataset = build_network("path", 1), plugins.load("dataset", "lasso_benchmark:features=10,samples=5")
    values, weights, excess, optima = [], [], [], []
    for seed in (0, 11, 2):  # of the last the solution is 0
        problem: Any = dataset(network, seed=seed)
        reference = measured_against(problem)
        if reference.starts_optimal.item():
            continue
        x = 0.1 * torch.randn(1, problem.dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        measured = Metrics(reference, [METRICS["excess"](), METRICS["objective"]()])
        values.append(float(measured(x)["excess"]))
        weights.append(float(measured.weights()["excess"]))
        a, b = problem.features[0] / problem.count[0] ** 0.5, problem.targets[0] / problem.count[0] ** 0.5
        objective = 0.5 * float((a @ x[0] - b).square().sum()) + 0.005 * float(x.abs().sum())
        assert float(measured(x)["objective"]) == pytest.approx(objective)
        excess.append(objective - float(reference.value))
        optima.append(float(reference.value))
    assert len(values) >= 2
    assert np.average(values, weights=weights) == pytest.approx(sum(excess) / sum(optima))


def test_the_excess_is_left_out_where_the_minimum_is_unknown() -> None:
    network = build_network("path", 1)
    reference = measured_against(plugins.load("dataset", "rastrigin:features=2")(network, seed=0))
    chosen = [METRICS[name]() for name in ("excess", "training_loss", "objective")]
    assert [metric.name for metric in Metrics(reference, chosen).metrics] == ["objective"]


def test_the_training_loss_is_that_over_all_images_whatever_the_gradients_are_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GNN_L2O_DATA", image_folder().name)
    network, dataset = build_network("ring", 3), plugins.load("dataset", "mlp:samples=4,test_samples=5,shrink=7")
    problem: Any = dataset(network, seed=0)
    chosen = [METRICS["training_loss"](), METRICS["objective"]()]
    for drawn in (problem, Stochastic(problem, batch_size=2, seed=0)):
        measured = Metrics(measured_against(drawn), chosen)(problem.initial_point().double())
        whole = problem.objective(problem.average(problem.initial_point().double()))
        assert float(measured["training_loss"]) == float(measured["objective"]) == pytest.approx(float(whole))
