"""The figure of a split: counts against the data itself, and the command line."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from gnn_l2o import build_network, plugins

SPEC = importlib.util.spec_from_file_location("label_split", Path(__file__).parents[2] / "examples" / "label_split.py")
label_split = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(label_split)


def test_counts_are_those_of_the_problem() -> None:
    network = build_network("ring", 4)
    counts = label_split.class_counts("breast_cancer:imbalance=0.5", network, 0.5, seed=3)
    problem = plugins.load("dataset", "breast_cancer:imbalance=0.5,alpha=0.5")(network, seed=3)
    assert counts.shape == (4, 2)
    for row, targets, count in zip(counts, problem.targets, problem.count.flatten().tolist(), strict=True):
        labels = targets[:count].tolist()
        assert row.tolist() == [labels.count(0), labels.count(1)]


def test_bars_are_stacked_to_the_samples_of_a_node() -> None:
    tables = {10.0: np.array([[3, 1, 2], [0, 4, 0]]), 0.1: np.array([[6, 0, 0], [0, 0, 4]])}
    figure = label_split.draw(tables, "title")
    assert [axes.get_title() for axes in figure.axes] == [r"$\alpha = 10$", r"$\alpha = 0.1$"]
    for axes, table in zip(figure.axes, tables.values(), strict=True):
        bars = np.array([[(b.get_y(), b.get_height()) for b in group] for group in axes.containers])  # class, node, 2
        np.testing.assert_array_equal(bars[:, :, 1].T, table)
        np.testing.assert_array_equal(bars[1:, :, 0], (bars[:, :, 0] + bars[:, :, 1])[:-1])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["2", "1", "0"]


def test_more_classes_than_colours_can_be_told_apart() -> None:
    figure = label_split.draw({1.0: np.ones((2, 23), dtype=int)}, "title")
    looks = {(g[0].get_facecolor(), g[0].get_hatch()) for g in figure.axes[0].containers}
    assert len(looks) == 23


def test_the_command_line_writes_the_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "new" / "split.svg"
    arguments = ["--dataset", "logistic:samples=20,features=3", "--alpha", "10", "0.1", "--nodes", "3"]
    assert label_split.main([*arguments, "--output", str(output)]) == 0
    assert capsys.readouterr().out == f"{output}\n"
    assert output.read_text().count("<svg") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "lasso"], "--dataset lasso: has no labels to split by"),
        (["--dataset", "logistik"], "--dataset logistik: unknown dataset 'logistik'; did you mean 'logistic'?"),
        (["--dataset", "logistic", "--alpha", "-1"], "--alpha -1: alpha must be positive"),
        (["--dataset", "logistic", "--nodes", "0"], "--nodes 0: "),
        (["--dataset", "logistic", "--alpha", "1", "--output", "x.abc"], "--output x.abc: "),
    ],
)
def test_errors_name_the_flag(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        label_split.main(arguments)
    assert end.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert "label_split" not in sys.modules
