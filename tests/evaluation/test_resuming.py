"""Evaluations that are killed, resumed, saved on the way, or find another's results."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from gnn_l2o._utils.errors import InputError
from gnn_l2o.evaluation import Results, experiment
from tests.evaluation.learned_step import Learned
from tests.evaluation.small_evaluation import Killed, killed_after, small


def untimed(folder: Path) -> Any:
    content = json.loads((folder / "results.json").read_text())
    content.pop("command")
    for r in content["runs"]:
        r.pop("seconds")
        r["trace"].pop("seconds")
        for reached in filter(None, (*r["reached"].values(), *r["reached_worst"].values())):
            reached.pop("seconds")
    return content


@pytest.mark.usefixtures("quick_figures")
def test_a_killed_evaluation_is_resumed(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    small(output=whole)
    for after in (0, 3, 8):  # amid a case, and between two
        cut = tmp_path / f"cut_after_{after}"
        with pytest.raises(Killed):
            small(output=cut, report=killed_after(after))
        stored = Results.load(cut)
        assert len(stored.runs) + len(stored.tuning) == after  # all that was finished is there
        small(output=cut, resume=True)
        assert untimed(cut) == untimed(whole)
        assert (cut / "summary.csv").read_text() == (whole / "summary.csv").read_text()
        drawn = [sorted(p.name for p in (folder / "figures").iterdir()) for folder in (cut, whole)]
        assert drawn[0] == drawn[1]


@pytest.mark.usefixtures("quick_figures")
def test_resuming_does_not_repeat_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small(output=tmp_path)
    before = (tmp_path / "results.json").read_bytes()
    monkeypatch.setattr(experiment, "measure", None)
    monkeypatch.setattr(experiment, "tune_or_recall", None)
    small(output=tmp_path, resume=True)
    assert (tmp_path / "results.json").read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "about"),
    [
        ({"iterations": 61}, "iterations 60, not 61"),
        ({"nodes": [4]}, r"nodes \[4, 6\], not \[4\]"),
        ({"models": [Learned(torch.tensor(0.8))]}, "models"),
        ({"algorithms": ["prox_ed"]}, "handcrafted"),
        ({"algorithms": ["prox_ed", "pg_extra", "tuned_constants"]}, "tuned"),
        ({"seed": 1}, "seed 0, not 1"),
        ({"tuning_budget": 7}, "tuning_budget"),
    ],
)
def test_other_settings_cannot_resume(changes: Mapping[str, Any], about: str, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        small(output=tmp_path, report=killed_after(3))
    before = (tmp_path / "results.json").read_bytes()
    with pytest.raises(InputError, match=about):
        small(output=tmp_path, resume=True, **changes)
    assert (tmp_path / "results.json").read_bytes() == before


@pytest.mark.usefixtures("quick_figures")
def test_other_results_are_kept_unless_overwritten(tmp_path: Path) -> None:
    small(output=tmp_path, nodes=[4])
    before = (tmp_path / "results.json").read_bytes()
    with pytest.raises(InputError, match="holds another run already") as caught:
        small(output=tmp_path, nodes=[6])
    assert caught.value.given == {"output": tmp_path}
    assert (tmp_path / "results.json").read_bytes() == before
    small(output=tmp_path, nodes=[6], overwrite=True)
    assert {r.nodes for r in Results.load(tmp_path).runs} == {6}
    assert {p.stem[-1] for p in (tmp_path / "figures").iterdir()} == {"6"}


@pytest.mark.usefixtures("quick_figures")
def test_slow_saving_is_put_off_but_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, saves = [0.0], []
    original = Results.save

    def slow(self: Results, folder: Path) -> None:
        clock[0] += 10
        saves.append(len(self.runs))
        original(self, folder)

    monkeypatch.setattr(Results, "save", slow)
    monkeypatch.setattr(experiment, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    small(nodes=[4], output=tmp_path)
    assert len(saves) == 3  # at the beginning, after the first step, at the end
    assert len(Results.load(tmp_path).runs) == saves[-1] == 6
