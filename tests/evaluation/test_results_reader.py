"""Results files that were edited are read or refused in one line, and never half."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gnn_l2o._utils.errors import InputError
from gnn_l2o.evaluation import Plan, Results, evaluate
from gnn_l2o.evaluation.results_reader import read_results

PLAN = Plan(
    datasets=["lasso:features=5,samples=4"],
    nodes=[3],
    algorithms=["prox_ed"],
    limits=["diameter"],
    instances=1,
    iterations=4,
    tuning_budget=1,
    tuning_instances=1,
)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("whole")
    evaluate(PLAN).save(folder)
    return (folder / "results.json").read_text()


def changed(text: str, *place: str | int, value: Any) -> str:
    """Return the text of a file with another value at a place."""
    whole = json.loads(text)
    part = whole
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    return json.dumps(whole)


def test_a_whole_file_is_read(content: str, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(content)
    assert read_results(tmp_path / "results.json") == json.loads(content)
    assert len(Results.load(tmp_path).runs) == 2


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (["schema"], 99, "it has schema 99, and this version reads 5"),
        (["runs"], 3, "runs: Input should be a valid list"),
        (["runs", 0], [], "runs.0: "),
        (["runs", 0, "nodes"], "3", "runs.0.nodes: Input should be a valid integer"),
        (["runs", 0, "diverged"], 0, "runs.0.diverged: "),
        (["runs", 0, "speed"], 1, "unknown part of a run: 'speed'"),
        (["runs", 0, "reached"], {}, "runs.0: "),
        (["runs", 0, "reached", "1e-01"], {"iterations": 1}, "runs.0: Value error, reached lacks 1e-01"),
        (["runs", 0, "trace", "gap"], [], "runs.0: Value error, the trace needs columns of one length"),
        (["runs", 0, "trace", "iteration", 1], None, "the trace has a checkpoint without its iteration"),
        (["runs", 0, "node_distances"], {"iteration": [0], "distance": []}, "needs a row of one length for each iter"),
        (["runs", 0, "node_distances"], {"iteration": [9], "distance": [[1]]}, "at iterations that the trace does not"),
        (["networks", 0, "links"], [[0]], "networks.0.links.0.1: Field required"),
        (["tuning", 0, "setting"], {"step_size": "x"}, "tuning.0.setting.step_size: Input should be a valid number"),
        (["tuning", 0, "case", "size"], 3, "tuning.0.case.size: Extra inputs"),
        (["methods"], {"prox_ed": 3}, "methods.prox_ed: "),
        (["metrics", "optimality_gap"], {}, "metrics.optimality_gap.label: Field required"),
        (["settings", "models"], ["a"], "settings.models: Input should be a valid dictionary"),
        (["settings", "measure"], "median", "unknown measure 'median'"),
        (["skipped"], [{"algorithm": "a"}], "skipped.0.case: Field required"),
        (["redrawn"], [1], "redrawn.0: "),
        (["sources"], {"lasso": 1}, "sources.lasso: "),
    ],
)
def test_a_file_with_another_value_is_refused(
    content: str, place: list[str | int], value: Any, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "results.json"
    path.write_text(changed(content, *place, value=value))
    with pytest.raises(InputError) as error:
        Results.load(tmp_path)
    assert str(error.value).startswith(f"{path} is not a results file of this project (")
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-20],
        lambda text: text.replace('"seed":0', '"seed":NaN'),
        lambda text: text.replace('"seconds":', '"seconds":1e999', 1),
        lambda text: "[" * 10_000,
        lambda text: f"[{text}]",
        lambda text: "\udcff",
    ],
)
def test_a_file_that_is_no_such_json_is_refused(content: str, change: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(change(content), encoding="utf-8", errors="surrogateescape")
    with pytest.raises(InputError, match=r"results\.json is not a results file of this project \("):
        Results.load(tmp_path)


def test_a_tuning_of_another_method_is_refused_where_it_is_used(content: str, tmp_path: Path) -> None:
    text = changed(changed(content, "tuning", 0, "setting", value={"pace": 1.0}), "runs", value=[])
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(InputError, match="a setting of prox_ed has step_size, got pace"):
        evaluate(PLAN, output=tmp_path, resume=True)
