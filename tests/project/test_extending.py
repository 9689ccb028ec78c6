"""The pages of docs/extending run as they are printed, and every page is named where it must be."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gnn_l2o._utils import registry
from gnn_l2o.limits import LIMITS

PAGES = Path(__file__).parents[2] / "docs" / "extending"


def reached(names: dict[str, Any]) -> dict[str, Any]:
    """The run of an evaluation's one method."""
    [run] = [run for run in names["results"].runs if run.algorithm == "prox_ed"]
    return vars(run)


def test_the_topology_of_its_page(page: Callable[[str], dict[str, Any]]) -> None:
    assert page("topology")["network"].num_edges == 2 * 18


def test_the_dataset_of_its_page(page: Callable[[str], dict[str, Any]]) -> None:
    names = page("dataset")
    assert {run.case.dataset for run in names["results"].runs} == {"non_negative.py:samples=5"}


def test_the_method_of_its_page(page: Callable[[str], dict[str, Any]]) -> None:
    names = page("method")
    assert {run.algorithm for run in names["results"].runs} - set(LIMITS) == {"my_method", "prox_ed"}


def test_the_learned_optimizer_of_its_page(page: Callable[[str], dict[str, Any]]) -> None:
    names = page("learned_optimizer")
    assert names["model"].name == "my_model"
    assert 'kind = "learned_step"' in Path("my_model/recipe.toml").read_text()


def test_the_loss_of_its_page(page: Callable[[str], dict[str, Any]]) -> None:
    names = page("loss")
    assert type(names["run"].loss).__name__ == "FinalGap"
    assert names["run"].progress.updates > 0


def test_the_metric_of_its_page(page: Callable[[str], dict[str, Any]]) -> None:
    trace = reached(page("metric"))["trace"]
    assert 0 <= trace["support"][-1] <= 6


def test_the_regularizer_of_its_page(page: Callable[[str], dict[str, Any]]) -> None:
    assert bool((page("regularizer")["solution"].x >= 0).all())


def test_the_stopping_rule_of_its_page(page: Callable[[str], dict[str, Any]]) -> None:
    iterations = reached(page("stopping_rule"))["trace"]["iteration"]
    assert 20 <= iterations[-1] < 50


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Saves the first block of a page as it says, runs the second beside it and returns its names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for kind in registry._REGISTRIES:
        monkeypatch.setattr(kind, "_members", dict(kind._members))
    before = set(sys.modules)

    def run(name: str) -> dict[str, Any]:
        torch.set_default_dtype(torch.float32)
        text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
        content, use = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        [title] = re.findall(r"^# Add an? .* in (\d+) lines$", text, re.MULTILINE)
        assert int(title) == sum(bool(line.strip()) for line in content.splitlines())
        [file] = re.findall(r"^Save as `(\w+\.py)`:$", text, re.MULTILINE)
        (tmp_path / file).write_text(content, encoding="utf-8")
        names: dict[str, Any] = {}
        exec(compile(use, f"{name}.md", "exec"), names)
        return names

    yield run
    for module in set(sys.modules) - before:
        if getattr(sys.modules[module], "__file__", None) and str(tmp_path) in str(sys.modules[module].__file__):
            del sys.modules[module]


def test_the_index_names_every_page() -> None:
    linked = set(re.findall(r"\]\((\w+)\.md\)", (PAGES / "README.md").read_text(encoding="utf-8")))
    assert linked == {path.stem for path in PAGES.glob("*.md")} - {"README"}


def test_the_contributing_guide_counts_the_lines_of_the_pages() -> None:
    guide = (PAGES.parent.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    counts = dict(re.findall(r"\]\(docs/extending/(\w+)\.md\) \| (\d+) \|", guide))
    titles = {name: (PAGES / f"{name}.md").read_text(encoding="utf-8").split("\n")[0] for name in counts}
    assert set(counts) >= {"topology", "dataset", "method", "learned_optimizer", "metric"}
    assert all(titles[name].endswith(f"in {count} lines") for name, count in counts.items())
