"""The folder of a run: a full disk, what is there already, and what is there no more."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks.kills import content
from gnn_l2o._utils import files
from gnn_l2o.cli import evaluate, train
from gnn_l2o.evaluation import experiment
from gnn_l2o.training import learner, trainer
from tests.cli.interruption.runs import EVALUATION, Main, at_call


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
