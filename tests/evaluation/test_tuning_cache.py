"""What was tuned is recalled, as long as the code that tuning runs is the same."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch

from gnn_l2o.algorithms.registry import METHODS
from gnn_l2o.algorithms.tunable import Choice, Range
from gnn_l2o.evaluation import tune, tuning_cache
from gnn_l2o.evaluation.tuning import Tuning
from gnn_l2o.evaluation.tuning_cache import tune_or_recall
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import ProxDGD, ProxED
from tests.evaluation.small_instances import instance


def test_what_was_tuned_is_recalled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GNN_L2O_CACHE", str(tmp_path))
    calls = []

    def counted(*args: Any, **kwargs: Any) -> Tuning:
        calls.append(args)
        return tune(*args, **kwargs)

    monkeypatch.setattr(tuning_cache, "tune", counted)
    on = [instance(0), instance(1)]
    first = tune_or_recall(ProxED, on, iterations=60, budget=6)
    assert tune_or_recall(ProxED, [instance(0), instance(1)], iterations=60, budget=6) == first
    assert len(calls) == 1
    assert np.isinf([t.optimality_gap for t in first.trials]).any()  # also what JSON cannot hold came back

    tune_or_recall(ProxED, on, iterations=61, budget=6)
    tune_or_recall(ProxED, on, iterations=60, budget=5)
    tune_or_recall(ProxDGD, on, iterations=60, budget=6)
    tune_or_recall(ProxED, on[:1], iterations=60, budget=6)
    tune_or_recall(ProxED, [instance(0), instance(2)], iterations=60, budget=6)
    tune_or_recall(ProxED, on, iterations=60, budget=6, dtype=torch.float32)
    heavier = [replace(i, network=Network.from_networkx(nx.path_graph(5))) for i in on]
    tune_or_recall(ProxED, heavier, iterations=60, budget=6)
    tune_or_recall(ProxED, on, iterations=60, budget=6, stability=[instance(3)])
    tune_or_recall(ProxED, on, iterations=60, budget=6, margin=1.2)
    tune_or_recall(ProxED, on, iterations=60, budget=6, tolerance=1e-3)
    assert len(calls) == 11


METHOD = """
from gnn_l2o.handcrafted import ProxED

class Mine(ProxED):
    name = "mine"

    def step(self, problem, network, state):
        return super().step(problem, network, state)
"""


def test_a_changed_method_is_tuned_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GNN_L2O_CACHE", str(tmp_path / "cache"))
    file, on = tmp_path / "mine.py", [instance()]

    def choose(text: str) -> dict[str, float]:
        file.write_text(text)
        return tune_or_recall(METHODS[str(file)], on, iterations=60, budget=6).setting

    calls = []

    def counted(*args: Any, **kwargs: Any) -> Tuning:
        calls.append(args)
        return tune(*args, **kwargs)

    monkeypatch.setattr(tuning_cache, "tune", counted)
    first = choose(METHOD)
    assert choose(METHOD.replace("class", "# A comment changes nothing.\nclass")) == first
    assert len(calls) == 1
    slower = METHOD.replace("return super().step", "self = type(self)(self.step_size / 8)\n        return super().step")
    assert choose(slower)["step_size"] > 2 * first["step_size"]


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        *(
            ("prox_ed.py", True),
            ("tuning_race.py", True),
            ("tuning_check.py", True),
            ("driver.py", True),
            ("least_squares.py", True),
        ),
        *(("figures.py", False), ("plan.py", False), ("milodo.py", False), ("nids.py", False)),
    ],
)
def test_only_code_that_tuning_runs_counts(file: str, counts: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    before, read = tuning_cache._code_of(ProxED, instance().problem), Path.read_text

    def changed(path: Path, **options: Any) -> str:
        return read(path, **options) + ("\nCHANGED = True\n" if path.name == file else "")

    monkeypatch.setattr(Path, "read_text", changed)
    assert (tuning_cache._code_of(ProxED, instance().problem) != before) == counts


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[" * 10_000,
        "[]",
        '{"setting": {"pace": 1.0}, "trials": [], "warnings": []}',
        '{"setting": {"step_size": 1.0}, "trials": [], "warnings": []}',
        '{"setting": {"step_size": "1"}, "trials": [1], "warnings": []}',
        '{"setting": 3, "trials": [], "warnings": []}',
    ],
)
def test_a_damaged_cache_is_computed_again_with_a_warning(
    text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GNN_L2O_CACHE", str(tmp_path))
    first = tune_or_recall(ProxED, [instance()], iterations=20, budget=3)
    (file,) = tmp_path.rglob("*.json")
    file.write_text(text)
    with pytest.warns(UserWarning, match="holds no tuning of prox_ed and is computed again"):
        assert tune_or_recall(ProxED, [instance()], iterations=20, budget=3) == first
    assert tune_or_recall(ProxED, [instance()], iterations=20, budget=3) == first


def test_a_cache_that_cannot_be_written_is_said_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GNN_L2O_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning) as caught:
        tune_or_recall(ProxED, [instance()], iterations=20, budget=3)
    assert "tuning cannot be stored" in str(caught[-1].message)


def test_a_small_budget_takes_values_from_the_longest_range() -> None:
    class Wide(ProxED):
        grid = {  # noqa: RUF012
            "step_size": Range(0.1, 10, points=4, unit="1/L"),
            "momentum": Range(0.5, 0.9, points=2),
            "mixings": Choice((1, 3)),
        }

    assert len(Wide.settings(16)) == 16
    assert len(Wide.settings(8)) == 8
    assert sorted({s["step_size"] for s in Wide.settings(8)}) == pytest.approx([0.1, 10])
    assert len(Wide.settings(2)) == 2
    assert len(Wide.settings(1)) == 2  # choices are never given up
