"""What a user can act on ends both commands in one line, whatever it arises from, and exit code 2."""

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gnn_l2o._utils.errors import InputError
from gnn_l2o.cli import evaluate, train
from gnn_l2o.cli.parser import EXIT_CODES
from gnn_l2o.training.checkpoint import Checkpoint

PROJECT = Path(__file__).parents[2]
EVALUATE = ["--dataset", "lasso:features=6,samples=4", "--topology", "path", "--nodes", "4", "--instances", "1"]
EVALUATE += ["--iterations", "3", "--limits", "none", "--model", "none", "--algorithms", "prox_ed"]
EVALUATE += ["--tuning_budget", "1", "--tuning_instances", "1"]
TRAIN = ["--dataset", "lasso:features=6,samples=4", "--topology", "path", "--nodes", "3", "--problems", "2"]
TRAIN += ["--validation_problems", "1", "--validation_iterations", "3", "--hidden_features", "2", "--init", "random"]
COMMANDS = {"evaluate.py": (evaluate.main, EVALUATE), "train_gnn.py": (train.main, TRAIN)}

Refused = Callable[..., str]


@pytest.fixture(params=COMMANDS)
def refused(request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Calls a command that has to refuse the arguments; returns the line, in which OUT stands for the output folder."""

    def call(*arguments: str, output: str = str(tmp_path / "out"), progress: bool = False) -> str:
        main, line = COMMANDS[request.param]
        try:
            code = main([*line, "--output", output, *arguments])
        except SystemExit as stop:
            code = stop.code
        out, err = capsys.readouterr()
        assert (code, out) == (2, "")
        *before, last = err.strip().splitlines()
        assert progress or not before
        assert last.startswith(f"{request.param}: error: ")
        return last.removeprefix(f"{request.param}: error: ").replace(output or "OUT", "OUT")

    call.command = request.param  # type: ignore[attr-defined]
    return call


# The file system


def test_folders_that_cannot_be_written_are_refused_before_anything_is_computed(
    refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    inside = f"{tmp_path}/file/out"
    assert refused(output=inside) == f"--output OUT: {tmp_path}/file is not a folder"
    assert refused(output="") == "argument --output: expected a folder, got ''"
    assert refused(output=f"{tmp_path}/{'n' * 300}") == "--output OUT: cannot write there: File name too long"
    if Path("/proc").is_dir():  # where the permissions of root say that it can be written
        assert refused(output="/proc/x").startswith("--output OUT: cannot write there: ")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    assert refused() == "--output OUT: cannot write there: No space left on device"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_disk_that_fills_up_meanwhile_is_named(
    refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:  # as write() says it, without a file name
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    written = {"evaluate.py": "results.json", "train_gnn.py": "checkpoint.pt"}[refused.command]  # type: ignore[attr-defined]
    line = f"OUT/{written}: No space left on device; the same command with --resume goes on from here"
    assert refused(progress=True) == line
    assert not (tmp_path / "out").exists()  # no part of it


@pytest.mark.parametrize("flag", ["--dataset", "--topology"])
def test_names_that_are_too_long_for_files(refused: Refused, flag: str) -> None:
    name = f"{'n' * 300}.py"
    assert refused(flag, name).endswith(f"{name}: File name too long")


# Numbers


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "1025"])
def test_threads_are_counted_from_one(refused: Refused, value: str) -> None:
    message = f"argument --threads: expected a whole number from 1 to 1024, got '{value}'"
    assert refused("--threads", value) == message


@pytest.mark.parametrize("value", ["cuda:99", "no_such", "meta", ""])
def test_devices_that_are_not_there(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        train.main([*TRAIN, "--device", value])
    here = "cpu or cuda" if torch.cuda.is_available() else "cpu"
    assert f"argument --device: torch cannot compute on '{value}' here; expected {here}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "needs"),
    [
        (["--nodes", "1000000000"], "a graph of 1000000000 nodes would take about 456 GiB of memory"),
        (["--topology", "complete", "--nodes", "100000"], "a complete graph of about 5e+09 edges would take about 652"),
        (["--topology", "erdos_renyi:p=1", "--nodes", "100000"], "an Erdos-Renyi graph of about 5e+09 edges would"),
        (["--dataset", "lasso:features=1000000000000"], "samples of 1000000000000 features would take about"),
        (["--dataset", "mlp:stand_in=true,width=10000000"], "width=10000000 would take about"),
        (["--dataset", "bsds500:atoms=100000000000"], "a dictionary of 100000000000 atoms would take about"),
    ],
)
def test_what_does_not_fit_into_memory_is_refused_with_the_number(
    refused: Refused, arguments: list[str], needs: str
) -> None:
    line = refused(*arguments)
    assert arguments[0] in line and needs in line and line.endswith(" GiB are free")


@pytest.mark.parametrize(
    ("arguments", "needs"),
    [
        (["--hidden_features", "100000000"], "the weights of this milodo would take about 7.45e+08 GiB"),
        (
            ["--hidden_features", "9999999999"],
            "hidden_features of a milodo lies between 1 and 1000000000, got 9999999999",
        ),
        (["--problems", "100000000000"], "--problems 100000000000: 100000000000 problems like the first would take"),
        (["--seed", "9" * 20], "seed is less than 1e+18, got 99999999999999999999"),
    ],
)
def test_training_that_is_too_large(
    arguments: list[str], needs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        train.main([*TRAIN, "--output", str(tmp_path / "out"), *arguments])
    assert f"error: {needs}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_numbers_of_a_dataset_are_finite(refused: Refused, value: str) -> None:
    spec = f"lasso:noise={value}"
    assert (
        refused("--dataset", spec) == f"--dataset {spec}: dataset lasso: noise: expected a finite number, got '{value}'"
    )


# Plug-ins

SAMPLE = "def sample(network, *, seed: int):\n    "
GENERATE = "def generate(nodes: int, *, seed: int):\n    "
OWN_SIZE = "def generate(*, seed: int): return 4"


@pytest.mark.parametrize(
    ("flag", "text", "message"),
    [
        ("--dataset", f"{SAMPLE}return 1 / 0", "FILE, line 2: ZeroDivisionError: division by zero"),
        ("--dataset", f"{SAMPLE}raise SystemExit(0)", "FILE, line 2: SystemExit: 0"),
        ("--dataset", f"raise SystemExit(0)\n{SAMPLE}return 1", "--dataset FILE: FILE, line 1: SystemExit: 0"),
        ("--dataset", f"{SAMPLE}return 3", "FILE, line 1: sample() must return a gnn_l2o.problems.Problem, got 3"),
        ("--topology", f"{GENERATE}raise OSError", "FILE, line 2: OSError:"),
        ("--topology", f"{GENERATE}return [1]", "FILE, line 1: generate() must return a networkx.Graph, got [1]"),
        ("--topology", OWN_SIZE, "FILE, line 1: generate() must return a networkx.Graph, got 4"),
    ],
)  # fmt: skip
def test_plug_ins_that_raise_or_return_something_else(
    refused: Refused, flag: str, text: str, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(text)
    line = refused(flag, str(file)).replace(str(file), "FILE")
    assert line.endswith(message) if message.startswith("FILE, line 1") else line == message
    assert [path.name for path in tmp_path.iterdir() if path.name != "__pycache__"] == ["mine.py"]


METHOD = """
from dataclasses import dataclass
from gnn_l2o.handcrafted import ProxED

@dataclass(frozen=True)
class Mine(ProxED):
    name = "mine"

    def step(self, problem, network, state):
        """
METRIC = """
from gnn_l2o.evaluation import Metric

class Mine(Metric):
    name = label = "mine"

    def values(self, reference, x):
        """
LOSS = """
from gnn_l2o.training import MetaLoss

class Mine(MetaLoss):
    name = "mine"

    def segment_loss(self, *given):
        """


@pytest.mark.parametrize(
    ("command", "flag", "text", "message"),
    [
        ("evaluate.py", "--algorithms", METHOD + "return 1 // 0", "FILE, line 10: ZeroDivisionError: integer division"),
        ("evaluate.py", "--algorithms", METHOD + "return 7", "mine: init() and step() must return a state whose x"),
        ("evaluate.py", "--metrics", METRIC + "return 7", "metric 'mine' needs a value for each problem, shape"),
        ("evaluate.py", "--metrics", METRIC + "return [][0]", "FILE, line 8: IndexError: list index out of range"),
        ("train_gnn.py", "--loss", LOSS + "return 7.0", "loss 'mine': segment_loss() must return a tensor with"),
        ("train_gnn.py", "--loss", LOSS + "return [][0]", "FILE, line 8: IndexError: list index out of range"),
    ],
)  # fmt: skip
def test_methods_metrics_and_losses_of_a_user(
    command: str, flag: str, text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main, line = COMMANDS[command]
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(SystemExit):
        main([*line, flag, str(file), "--output", str(tmp_path / "out")])
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith(f"{command}: error: {message}".replace("FILE", str(file)))


def test_a_defect_of_the_library_keeps_its_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("gnn_l2o.evaluation.experiment.measure", broken)
    with pytest.raises(ZeroDivisionError):
        evaluate.main(EVALUATE)


@pytest.mark.parametrize("content", [{"weights": Path("foreign")}, print])
def test_a_foreign_checkpoint_is_no_reason_to_load_it_all_the_same(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "checkpoint.pt")
    with pytest.raises(
        InputError, match=r"checkpoint.pt cannot be read .*; expected a checkpoint of train_gnn.py$"
    ) as error:
        Checkpoint.load(tmp_path / "checkpoint.pt", {}, "cpu")
    assert "weights_only" not in str(error.value)


# What the commands say of themselves


def test_a_list_looks_at_no_folder_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("datasets", "topologies", "models/mine", "presets"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("datasets/mine.py", "topologies/mine.py"):
        (tmp_path / name).write_text("raise SystemExit('executed')")
    for name in ("models/mine/recipe.toml", "presets/mine.toml"):
        (tmp_path / name).write_text("no [toml")
    monkeypatch.chdir(tmp_path)
    for main, _ in COMMANDS.values():
        assert main(["--list"]) == 0
        assert "mine" not in capsys.readouterr().out.split()


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_the_exit_codes_and_no_default_that_is_none(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        COMMANDS[command][0](["--help"])
    printed = " ".join(capsys.readouterr().out.split())
    assert printed.endswith(EXIT_CODES)
    assert not re.findall(r"default: (?:None|False|True|\[)", printed)


def test_the_docs_say_the_exit_codes() -> None:
    page = (PROJECT / "docs" / "reliability.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d[\d, ]*) \|", page, re.MULTILINE)
    assert ", ".join(rows).split(", ") == re.findall(r"(\d+) ", EXIT_CODES)
