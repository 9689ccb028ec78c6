"""However a command ends early, the same command with --resume ends as if nothing had happened."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
import torch

from benchmarks.kills import content
from gnn_l2o._utils import files
from gnn_l2o.cli import evaluate, train
from gnn_l2o.cli.interruption import raise_on_signals
from gnn_l2o.cli.start import start
from gnn_l2o.evaluation import Results, experiment
from gnn_l2o.learned import load_model
from gnn_l2o.training import learner, trainer
from gnn_l2o.training.checkpoint import CHECKPOINT
from tests.cli.interruption.runs import EVALUATION, STAGES, Killed, Main, at_call, raises

ROOT = Path(__file__).parents[3]
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


@pytest.mark.parametrize("main", [train.main, evaluate.main])
def test_killed_at_any_write_a_command_resumes_to_the_same_bits(
    main: Main,
    training: list[str],
    whole: Callable[[Main], dict[str, bytes]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    argv = training if main is train.main else EVALUATION
    for number in itertools.count(1):
        output = tmp_path / str(number)
        monkeypatch.setenv("GNN_L2O_CACHE", str(tmp_path / f"cache_{number}"))
        with monkeypatch.context() as patched:
            at_call(patched, files.os, "replace", number, raises(Killed()))
            try:
                assert main([*argv, "--output", str(output)]) == 0
                break  # there are no more writes
            except Killed:
                pass
        assert main([*argv, "--output", str(output), "--resume"]) == 0
        assert content(output) == whole(main), f"killed at write {number}"
    assert number > 6


def test_weights_that_no_update_improves_are_there_after_a_kill_too(
    training: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stages.json").write_text(json.dumps([{**STAGES[0], "lr": 1e-30}]))
    argv = [*training, "--output", str(tmp_path / "out")]
    with monkeypatch.context() as patched, pytest.raises(Killed):
        at_call(patched, trainer, "save_weights", 1, raises(Killed()))
        train.main(argv)
    assert train.main([*argv, "--resume"]) == 0
    load_model(tmp_path / "out")


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


@pytest.mark.parametrize(
    ("number", "line", "code"), [(signal.SIGINT, "interrupted", 130), (signal.SIGTERM, "terminated", 143)]
)
def test_a_training_that_is_asked_to_end_writes_a_checkpoint_of_the_last_whole_batch(
    number: signal.Signals,
    line: str,
    code: int,
    training: list[str],
    whole: Callable[[Main], dict[str, bytes]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "cut"
    with monkeypatch.context() as patched:
        at_call(patched, learner, "run_segment", 4, lambda: signal.raise_signal(number))
        patched.setattr(sys, "argv", ["train_gnn.py", *training, "--output", str(output)])
        assert start("train", "train_gnn.py") == code
    *_, last = capsys.readouterr().err.splitlines()
    assert last == f"train_gnn.py: {line}; the same command with --resume goes on from here"
    progress = torch.load(output / CHECKPOINT, weights_only=True)["progress"]
    assert (progress["epoch"], progress["batch"], progress["updates"]) == (
        0,
        1,
        1,
    )  # though the second batch had one update
    assert train.main([*training, "--output", str(output), "--resume"]) == 0
    assert content(output) == whole(train.main)


@pytest.mark.parametrize(
    ("number", "line", "code"), [(signal.SIGINT, "interrupted", 130), (signal.SIGTERM, "terminated", 143)]
)
def test_an_evaluation_that_is_asked_to_end_keeps_finished_runs(
    number: signal.Signals,
    line: str,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    at_call(monkeypatch, experiment, "measure", 2, lambda: signal.raise_signal(number))
    monkeypatch.setattr(sys, "argv", ["evaluate.py", *EVALUATION, "--output", str(tmp_path / "out"), "--overwrite"])
    assert start("evaluate", "evaluate.py") == code
    line = f"evaluate.py: {line}; the same command with --resume in place of --overwrite goes on from here"
    assert capsys.readouterr().err.split("\n")[-2:] == [line, ""]
    assert len(Results.load(tmp_path / "out").runs) == 1


@pytest.mark.parametrize(("number", "line", "code"), [("SIGINT", "interrupted", 130), ("SIGTERM", "terminated", 143)])
def test_a_command_that_is_asked_to_end_while_it_imports_says_so(number: str, line: str, code: int) -> None:
    amid_imports = f"""
import importlib, signal
from gnn_l2o.cli.start import start
importlib.import_module = lambda name: signal.raise_signal(signal.{number})
start("train", "train_gnn.py")
"""
    done = subprocess.run([sys.executable, "-c", amid_imports], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (code, f"train_gnn.py: {line} before it began\n")


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise_on_signals()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)


@pytest.mark.parametrize(
    ("command", "arguments"),
    [("evaluate", ["--list"]), ("evaluate", ["--help"]), ("train", ["--list"]), ("evaluate", EVALUATION)],
    ids=["list", "help", "list_of_training", "tables"],
)
def test_a_reader_that_leaves_ends_a_command_without_a_word(
    command: Literal["evaluate", "train"],
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["command", *arguments])
    with os.fdopen(writing, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert start(command, "command") == 141  # as shells say of a process that SIGPIPE ended
    assert "error" not in capsys.readouterr().err
