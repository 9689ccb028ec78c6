"""Nothing is lost: however a command ends early, the same command with --resume ends as if nothing had happened."""

import errno
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from matplotlib.figure import Figure

from gnn_l2o._utils import files
from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.output_folder import claimed
from gnn_l2o.cli import evaluate, start, train
from gnn_l2o.training import TrainingRun, trainer

ROOT = Path(__file__).parent.parent
STAGES = [{"lr": 0.01, "truncation_length": 2, "iterations": 4, "epochs": 2}]
STALLS = """
import os, time
from gnn_l2o.training.losses import LogArea

class Stalls(LogArea):
    name = "stalls"
    calls = 0

    def segment_loss(self, *args):
        Stalls.calls += 1
        if "STALL" in os.environ and Stalls.calls > 3:
            time.sleep(600)
        return super().segment_loss(*args)
"""
EVALUATION = [
    *("--dataset", "lasso:features=3,samples=2", "--nodes", "3", "--instances", "2", "--iterations", "9"),
    *("--model", "none", "--algorithms", "prox_ed", "--limits", "none", "--tuning_budget", "2"),
    *("--tuning_instances", "1"),
]


class Killed(BaseException):
    """Ends a run as no handler of errors expects it."""


@pytest.fixture(autouse=True)
def as_a_command_finds_it() -> Iterator[None]:
    torch.set_default_dtype(torch.float32)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def training(tmp_path: Path) -> list[str]:
    """Return the arguments of a training of a moment."""
    (tmp_path / "stages.json").write_text(json.dumps(STAGES))
    return [
        *("--dataset", "lasso:features=6,samples=4", "--nodes", "3", "--problems", "4", "--validation_problems", "1"),
        *("--validation_iterations", "5", "--batch_size", "2", "--hidden_features", "4", "--warmup", "2"),
        *("--stages_config", str(tmp_path / "stages.json")),
    ]


def kill_at_write(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let the write of this number be the last thing that happens, but for its last step."""
    replace, writes = os.replace, 0

    def kill(*paths: Any) -> None:
        nonlocal writes
        if writes == number:
            raise Killed
        writes += 1
        replace(*paths)

    monkeypatch.setattr(files.os, "replace", kill)


def content(folder: Path) -> dict[str, Any]:
    """Return what a folder holds, but for times."""
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    if "checkpoint.pt" in found:
        checkpoint = torch.load(folder / "checkpoint.pt", weights_only=True)
        found["checkpoint.pt"] = repr(untimed(checkpoint)).encode()
        del found["card.md"], found["curve.csv"]  # they say how long training took
    if "results.json" in found:
        found["results.json"] = repr(untimed(json.loads(found["results.json"]))).encode()
        del found["report.md"]
    return found


def untimed(value: Any) -> Any:
    match value:
        case dict():
            return {k: untimed(v) for k, v in value.items() if k not in ("seconds", "command")}
        case list():
            return [untimed(v) for v in value]
    return value.tolist() if isinstance(value, torch.Tensor) else value


# --- killed


@pytest.mark.parametrize("main", [train.main, evaluate.main])
@pytest.mark.usefixtures("quick_figures")
def test_killed_at_any_write_a_command_resumes_to_the_same_bits(
    main: Callable[[list[str]], int], training: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gnn_l2o.training.curve._draw", lambda *_: Figure(figsize=(1, 1)))
    argv = training if main is train.main else EVALUATION
    assert main([*argv, "--output", str(tmp_path / "whole")]) == 0
    for number in itertools.count():
        output = tmp_path / str(number)
        monkeypatch.setenv("GNN_L2O_CACHE", str(tmp_path / f"cache_{number}"))
        with monkeypatch.context() as patched:
            kill_at_write(patched, number)
            try:
                assert main([*argv, "--output", str(output)]) == 0
                break  # there are no more writes
            except Killed:
                pass
        assert main([*argv, "--output", str(output), "--resume"]) == 0
        assert content(output) == content(tmp_path / "whole"), f"killed at write {number}"
    assert number > 5


def test_a_training_ended_by_kill_9_resumes_to_the_same_bits(
    training: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "stalls.py").write_text(STALLS)
    argv, cut = [*training, "--loss", str(tmp_path / "stalls.py")], tmp_path / "cut"
    assert train.main([*argv, "--output", str(tmp_path / "whole")]) == 0
    process = subprocess.Popen(
        [sys.executable, "train_gnn.py", *argv, "--output", str(cut)], cwd=ROOT, env={**os.environ, "STALL": "1"}
    )
    while process.poll() is None and not (cut / "weights.safetensors").exists():
        time.sleep(0.05)
    with pytest.raises(SystemExit):
        train.main([*argv, "--output", str(cut), "--resume"])
    assert f"--output {cut}: process {process.pid} on " in capfd.readouterr().err
    process.kill()
    assert process.wait() == -signal.SIGKILL
    (cut / f"{files.TEMPORARY}weights.abc.safetensors").touch()
    assert train.main([*argv, "--output", str(cut), "--resume"]) == 0
    assert content(cut) == content(tmp_path / "whole")
