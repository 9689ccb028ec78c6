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
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pytest
import torch
from matplotlib.figure import Figure

from benchmarks.kills import content
from gnn_l2o._utils import files
from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.output_folder import claimed
from gnn_l2o.cli import evaluate, train
from gnn_l2o.cli.interruption import raise_on_signals
from gnn_l2o.cli.start import start
from gnn_l2o.evaluation import Results, experiment
from gnn_l2o.learned import load_model
from gnn_l2o.training import learner, trainer
from gnn_l2o.training.checkpoint import CHECKPOINT

ROOT = Path(__file__).parents[2]
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

Main = Callable[[list[str]], int]
WHOLE: dict[Main, dict[str, bytes]] = {}


class Killed(BaseException):
    """Ends a run as no handler of errors expects it."""


@pytest.fixture(autouse=True)
def as_a_command_finds_it() -> Iterator[None]:
    torch.set_default_dtype(torch.float32)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def without_drawing(monkeypatch: pytest.MonkeyPatch, quick_figures: None) -> None:
    monkeypatch.setattr("gnn_l2o.training.curve._draw", lambda *_: Figure(figsize=(1, 1)))


@pytest.fixture
def training(tmp_path: Path) -> list[str]:
    """Return the arguments of a training of a moment."""
    (tmp_path / "stages.json").write_text(json.dumps(STAGES))
    return [
        *("--dataset", "lasso:features=6,samples=4", "--nodes", "3", "--problems", "4", "--validation_problems", "1"),
        *("--validation_iterations", "5", "--batch_size", "2", "--hidden_features", "4", "--warmup", "2"),
        *("--stages_config", str(tmp_path / "stages.json")),
    ]


@pytest.fixture
def whole(training: list[str], tmp_path: Path) -> Callable[[Main], dict[str, bytes]]:
    """Return what makes the content of a folder after an undisturbed run of a command."""

    def run(main: Main) -> dict[str, bytes]:
        if main not in WHOLE:
            argv = training if main is train.main else EVALUATION
            assert main([*argv, "--output", str(tmp_path / "whole")]) == 0
            WHOLE[main] = content(tmp_path / "whole")
        return WHOLE[main]

    return run


def at_call(monkeypatch: pytest.MonkeyPatch, room: Any, name: str, number: int, happens: Callable[[], object]) -> None:
    """Let something happen when a function is called for the n-th time, before it does what it does."""
    original, calls = getattr(room, name), itertools.count(1)

    def watched(*args: Any, **settings: Any) -> Any:
        if next(calls) == number:
            happens()
        return original(*args, **settings)

    monkeypatch.setattr(room, name, watched)


def raises(error: BaseException) -> Callable[[], None]:
    def throw() -> None:
        raise error

    return throw


# --- killed


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


# --- stopped from outside


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


# --- files


@pytest.mark.parametrize("file", ["checkpoint.pt", "weights.safetensors", "curve.png", "card.md", "results.json"])
def test_a_full_disk_ends_a_command_in_one_line_and_it_goes_on(
    file: str,
    training: list[str],
    whole: Callable[[Main], dict[str, bytes]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    main, argv = (evaluate.main, EVALUATION) if file == "results.json" else (train.main, training)
    output, original = tmp_path / "out", os.replace

    def replace(old: Path, new: Path) -> None:
        if new.name == file and (file == "card.md" or new.exists()):
            raise OSError(errno.ENOSPC, "No space left on device", old)
        original(old, new)

    with monkeypatch.context() as patched:
        patched.setattr(files.os, "replace", replace)
        assert main([*argv, "--output", str(output)]) == 2
    line = f": error: {output / file}: No space left on device; the same command with --resume goes on from here"
    assert capsys.readouterr().err.splitlines()[-1].partition(".py")[2] == line
    assert main([*argv, "--output", str(output), "--resume"]) == 0
    assert content(output) == whole(main)


@pytest.mark.parametrize(
    ("room", "name", "call"), [(learner, "run_segment", 3), (trainer, "write_card", 1), (experiment, "measure", 1)]
)
def test_a_folder_that_is_deleted_meanwhile_is_an_error(
    room: ModuleType,
    name: str,
    call: int,
    training: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "out"
    main, argv = (evaluate.main, EVALUATION) if room is experiment else (train.main, training)
    at_call(monkeypatch, room, name, call, lambda: shutil.rmtree(output))
    with pytest.raises(SystemExit) as stop:
        main([*argv, "--output", str(output)])
    out, err = capsys.readouterr()
    assert stop.value.code == 2 and "wrote" not in out
    assert not output.exists() or name == "write_card"  # else it is noticed before anything is written
    assert err.rstrip().endswith(
        f"--output {output}: the folder was deleted, moved or replaced while results were written into it"
    )


def test_a_folder_is_claimed_by_one_process_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    with claimed(folder):
        for _ in range(2):  # the first attempt leaves the owner's name there
            with pytest.raises(InputError, match=f"^process {os.getpid()} on .* writes into it; wait") as caught:
                with claimed(folder):
                    pass
            assert caught.value.given == {"output": folder}
        (folder / "results").touch()
    with claimed(folder):
        pass
    assert [path.name for path in folder.iterdir()] == ["results"]


def test_a_folder_into_which_nothing_was_written_is_not_left_behind(tmp_path: Path) -> None:
    with pytest.raises(Killed), claimed(tmp_path / "a" / "b"):
        raise Killed
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_is_deleted_and_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("process 1 on some machine")
    left = [tmp_path / f"{files.TEMPORARY}results.json", tmp_path / "figures" / f"{files.TEMPORARY}ring.png"]
    (tmp_path / "figures").mkdir()
    for path in left:
        path.touch()
    with claimed(tmp_path, "figures"):
        assert not any(path.exists() for path in left)


def test_a_folder_that_another_process_claimed_meanwhile_is_left_to_it(tmp_path: Path) -> None:
    folder, other = tmp_path / "out", ExitStack()
    with pytest.raises(InputError, match="deleted, moved or replaced"), claimed(folder):
        folder.rename(tmp_path / "elsewhere")
        other.enter_context(claimed(folder))
    with other:
        assert (folder / ".lock").exists()


# --- resumed where there is nothing, or something else


@pytest.mark.parametrize("main", [train.main, evaluate.main])
def test_to_resume_where_there_is_nothing_is_to_begin(
    main: Main, training: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = training if main is train.main else EVALUATION
    output = tmp_path / "out"
    assert main([*argv, "--output", str(output), "--resume"]) == 0
    lines = [line for line in "".join(capsys.readouterr()).splitlines() if "begins from the start" in line]
    assert len(lines) == 1 and lines[0].startswith(f"{output} holds no ")
    assert main([*argv, "--output", str(output), "--resume"]) == 0
    assert "begins from the start" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("file", ["recipe.toml", "weights.safetensors", "checkpoint.pt"])
def test_what_an_earlier_run_left_is_not_replaced_unasked(
    file: str, training: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    assert train.main([*training, "--output", str(output)]) == 0
    for path in output.iterdir():
        if path.name != file:
            path.unlink()
    with pytest.raises(SystemExit):
        train.main([*training, "--output", str(output)])
    line = f"--output {output}: holds a model already; --resume goes on with it, --overwrite replaces it"
    assert capsys.readouterr().err.rstrip().endswith(line)
    if file == "weights.safetensors":  # a model that was published without its checkpoint
        with pytest.raises(SystemExit):
            train.main([*training, "--output", str(output), "--resume"])
        assert "holds a model without a checkpoint.pt" in capsys.readouterr().err
    else:
        assert train.main([*training, "--output", str(output), "--resume"]) == 0


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
