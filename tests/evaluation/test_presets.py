"""Presets: what the files may say, and what becomes of it."""

import csv
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.figures import save_figure
from gnn_l2o.cli.evaluate import main
from gnn_l2o.evaluation import overview_report
from gnn_l2o.evaluation.presets import load_preset
from tests.evaluation.preset_flags import FLAGS

pytestmark = pytest.mark.usefixtures("elsewhere")
TWO_RUNS = """
description = "Two sizes.\\nAnd more."
[[run]]
name = "small"
model = ["none"]
algorithms = ["prox_ed"]
limits = ["none"]
dataset = ["lasso:features=6,samples=4"]
nodes = [4]
instances = 1
iterations = 20
tuning_budget = 3
tuning_instances = 1
full = { nodes = [4, 5], iterations = 30 }
[[run]]
name = "star"
model = "none"
algorithms = "prox_ed"
limits = "none"
dataset = "lasso:features=6,samples=4"
topology = "star"
nodes = 5
instances = 1
iterations = 20
tuning_budget = 3
tuning_instances = 1
"""


@pytest.fixture
def preset(tmp_path: Path) -> Path:
    file = tmp_path / "mine.toml"
    file.write_text(TWO_RUNS)
    return file


def settings(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "results.json").read_text())["settings"]


@pytest.mark.usefixtures("quick_figures")
def test_several_runs_go_to_folders_of_their_own(
    preset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["--preset", str(preset), "--output", str(out), "--iterations", "10"]) == 0
    names = sorted(p.name for p in out.iterdir())
    assert names == ["overview.html", "small", "star"]  # and no overview of models: there is none
    assert settings(out / "small")["iterations"] == settings(out / "star")["iterations"] == 10  # overridden in both
    assert settings(out / "small")["topologies"] == ["ring"]
    assert settings(out / "star")["topologies"] == ["star"]
    assert settings(out / "star")["handcrafted"] == ["prox_ed"]
    printed = capsys.readouterr().out
    assert printed.index("mine, small: Two sizes.") < printed.index("mine, star: Two sizes.")


@pytest.mark.usefixtures("quick_figures")
def test_a_single_run_goes_to_the_folder_itself(preset: Path, tmp_path: Path) -> None:
    preset.write_text(TWO_RUNS[: TWO_RUNS.rindex("[[run]]")])
    assert main(["--preset", str(preset), "--full", "--output", str(tmp_path / "out")]) == 0
    assert settings(tmp_path / "out")["nodes"] == [4, 5]
    assert settings(tmp_path / "out")["iterations"] == 30
    assert settings(tmp_path / "out")["instances"] == 1


@pytest.mark.usefixtures("quick_figures")
def test_what_several_runs_found_of_a_model_is_shown_together(
    preset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview_report, "save_figure", save_figure)  # heat maps, which quick_figures leaves out
    out, flags = tmp_path / "out", ["--iterations", "10", "--dataset", "linear:features=3", "--model", "milodo_gnn"]
    assert main(["--preset", str(preset), "--output", str(out), *flags]) == 0
    printed = capsys.readouterr().out
    assert "Speed-ups in rounds to an optimality gap of 1e-4" in printed
    assert f"the overview is in {out}/overview.md" in printed
    with (out / "overview.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["run"], row["topology"], row["model"]) for row in rows] == [
        ("small", "ring", "milodo_gnn"),
        ("star", "star", "milodo_gnn"),
    ]
    assert (out / "figures/overview.png").exists() and (out / "figures/overview.svg").exists()
    assert "--preset" in (out / "overview.md").read_text()


@pytest.mark.usefixtures("quick_figures")
def test_the_small_size_may_be_asked_for(preset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    preset.write_text(TWO_RUNS[: TWO_RUNS.rindex("[[run]]")])
    assert main(["--preset", str(preset), "--quick", "--output", str(tmp_path / "out")]) == 0
    assert settings(tmp_path / "out")["nodes"] == [4]
    with pytest.raises(SystemExit) as exit_:
        main(["--preset", str(preset), "--quick", "--full"])
    assert exit_.value.code == 2
    assert "argument --full: not allowed with argument --quick" in capsys.readouterr().err


def test_a_mistake_in_the_last_run_is_found_before_the_first_writes(
    preset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preset.write_text(TWO_RUNS.replace('"star"\nnodes', '"sstar"\nnodes'))
    with pytest.raises(SystemExit) as exit_:
        main(["--preset", str(preset), "--output", str(tmp_path / "out")])
    assert exit_.value.code == 2
    assert "--topology sstar: unknown topology 'sstar'; did you mean 'star'?" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("quick_figures")
def test_several_runs_are_resumed_and_kept(preset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--preset", str(preset), "--output", str(tmp_path / "out")]
    assert main(arguments) == 0
    before = (tmp_path / "out/small/results.json").read_bytes()
    with pytest.raises(SystemExit):
        main(arguments)
    assert "holds another run already" in capsys.readouterr().err
    (tmp_path / "out/star/results.json").unlink()
    assert main([*arguments, "--resume"]) == 0
    assert (tmp_path / "out/small/results.json").read_bytes() == before
    assert (tmp_path / "out/star/results.json").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("nodes = [4]", "node = [4]", "unknown key in FILE: 'node'; did you mean 'nodes'?"),
        ("nodes = [4, 5]", "node = [4]", "unknown key in FILE: 'node'; did you mean 'nodes'?"),
        ("iterations = 20", 'output = "out"', "unknown key in FILE: 'output'"),
        ("description", "descriptoin", "unknown key in FILE: 'descriptoin'; did you mean 'description'?"),
        ('description = "Two sizes.\\nAnd more."', "", 'FILE needs a text, description = "..."'),
        ('name = "star"', 'name = "small"', "FILE has two runs of the same name"),
        ('name = "star"', 'name = "../star"', "every [[run]] of FILE needs a name"),
        ("nodes = 5", "nodes = true", "nodes in FILE must be a text, a number or a list of them, got True"),
        ("nodes = 5", "nodes = { a = 1 }", "nodes in FILE must be a text, a number or a list of them"),
        ("full = { nodes", "full = 1 #", "full in FILE must be a table"),
        ("[[run]]", "[[ruN]]", "unknown key in FILE: 'ruN'; did you mean 'run'?"),
        ("nodes = 5", "nodes =", "FILE cannot be read: Invalid value"),
        (TWO_RUNS, 'description = "nothing"', "FILE needs runs, each under a line [[run]]"),
    ],
)
def test_what_a_file_may_not_say_is_one_line(
    old: str, new: str, message: str, preset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert old in TWO_RUNS
    preset.write_text(TWO_RUNS.replace(old, new))
    with pytest.raises(SystemExit) as exit_:
        main(["--preset", str(preset)])
    assert exit_.value.code == 2
    (line,) = capsys.readouterr().err.strip().split("\n")
    assert line.startswith(f"evaluate.py: error: --preset {preset}: {message.replace('FILE', str(preset))}")


def test_unknown_presets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^unknown preset 'tabel1'; did you mean 'table1'\? \(known: fig14, "):
        load_preset("tabel1", FLAGS)
    with pytest.raises(InputError, match="cannot be read"):
        load_preset(str(tmp_path / "none.toml"), FLAGS)


def test_arguments_are_what_would_be_typed(preset: Path) -> None:
    run = load_preset(str(preset), FLAGS).runs[0]
    typed = run.arguments(full=True)
    assert typed[typed.index("--nodes") :][:3] == ["--nodes", "4", "5"]
    assert typed[typed.index("--iterations") :][:2] == ["--iterations", "30"]
    table = tomllib.loads(TWO_RUNS)["run"][0]
    assert [a for a in typed if a.startswith("--")] == [f"--{key}" for key in table if key not in ("name", "full")]
