"""The command of evaluation: what takes part, and what it prints."""

import json
import sys
from pathlib import Path

import pytest
import torch

from gnn_l2o._version import __version__
from gnn_l2o.algorithms.registry import METHODS
from gnn_l2o.cli.evaluate import main
from gnn_l2o.cli.start import start
from gnn_l2o.evaluation.selection import members
from gnn_l2o.limits import LIMITS
from tests.cli.evaluate.flags import ED, NONE, TINY, TUNED


def test_the_command_works(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    topologies = ["--topology", "erdos_renyi:p=0.7", "real:name=topozoo/Abilene"]
    methods = ["--algorithms", "prox_dgd", "pg_extra", "prox_ed", "tuned_constants"]
    limits = ["--limits", "diameter", "flooding"]
    arguments = [*TINY, *TUNED, *topologies, *methods, *limits, "--model", str(model), "--nodes", "4"]
    assert main([*arguments, "--output", str(out)]) == 0
    printed = capsys.readouterr().out
    for word in ("mine", "Prox-DGD", "PG-EXTRA", "Prox-ED", "real:name=topozoo/Abilene", str(out)):
        assert word in printed
    assert printed.count("rank") == 2  # a ranking for each case, then
    assert "over Prox-ED" in printed.split("rank")[-1]  # the summary
    content = json.loads((out / "results.json").read_text())
    cases = list(dict.fromkeys((r["topology"], r["nodes"]) for r in content["runs"]))
    assert cases == [("erdos_renyi:p=0.7", 4), ("real:name=topozoo/Abilene", 11)]
    assert {r["algorithm"] for r in content["runs"]} == {"mine", *methods[1:], *limits[1:]}
    assert content["command"].startswith("python evaluate.py --dataset lasso:features=6,samples=4")
    figures = {ending: {p.stem for p in (out / "figures").glob(f"*.{ending}")} for ending in ("png", "svg")}
    assert figures["png"] == figures["svg"]
    assert len([stem for stem in figures["png"] if not stem.startswith("front_")]) == 3
    assert "overview" in figures["png"]  # the others are a case each
    assert "Speed-ups in rounds" in printed and (out / "overview.md").exists()
    assert (out / "summary.csv").read_text().count("\n") == 1 + 2 * 8


@pytest.mark.usefixtures("quick_figures")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_model_runs_in_the_precision_asked_for(dtype: str, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.set_default_dtype(torch.float32)  # in which its weights are then loaded
    assert main([*TINY, "--model", str(model), "--algorithms", "none", "--dtype", dtype]) == 0
    printed = capsys.readouterr().out
    assert "mine" in printed and "handcrafted method" not in printed.splitlines()[-1]


@pytest.mark.usefixtures("quick_figures")
def test_all_methods_take_part_where_they_apply(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--iterations", "3", "--tuning_budget", "1", "--tuning_instances", "1", "--limits", "all"]
    assert main([*TINY, *few, *NONE, "--output", str(tmp_path)]) == 0
    content = json.loads((tmp_path / "results.json").read_text())
    ran, skipped = ({entry["algorithm"] for entry in content[part]} for part in ("runs", "skipped"))
    assert ran | skipped == {*members("all"), *LIMITS} and not ran & skipped
    assert skipped >= {name for name in members("all") if not METHODS[name].composite}
    printed = capsys.readouterr().out
    if skipped:
        assert printed.count("note: left out where they do not apply: ") == 1
        assert "is left out" not in printed


@pytest.mark.usefixtures("quick_figures")
def test_what_was_named_and_does_not_apply_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    name = next(name for name in members("all") if not METHODS[name].composite)
    assert main([*TINY, *TUNED, *NONE, "--algorithms", "prox_ed", name]) == 0
    assert f"note: {name} is left out everywhere: " in capsys.readouterr().out


@pytest.mark.usefixtures("quick_figures")
def test_gradients_of_mini_batches(tmp_path: Path) -> None:
    assert main([*TINY, *TUNED, *NONE, *ED, "--batch_size", "2", "--output", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "results.json").read_text())["settings"]["batch_size"] == 2


@pytest.mark.usefixtures("quick_figures")
def test_faults_are_in_the_runs_and_not_in_tuning(tmp_path: Path) -> None:
    found = {}
    for name, faults in (("none", ""), ("faulty", "drop=0.3"), ("again", "drop=0.3"), ("other", "drop=0.3,seed=1")):
        call = [*TINY, *TUNED, *NONE, *ED, "--instances", "2", "--faults", faults, "--output", str(tmp_path / name)]
        assert main(call) == 0
        found[name] = json.loads((tmp_path / name / "results.json").read_text())
    assert found["faulty"]["settings"]["faults"] == "drop=0.3"
    assert all(results["tuning"] == found["none"]["tuning"] for results in found.values())
    gaps = {name: [run["final_gap"] for run in results["runs"]] for name, results in found.items()}
    assert gaps["faulty"] == gaps["again"]
    assert len({gap for name in ("none", "faulty", "other") for gap in gaps[name]}) == 6
    assert "have faults, drop=0.3; tuning and limits know none" in (tmp_path / "faulty" / "report.md").read_text()
    assert "faults" not in (tmp_path / "none" / "report.md").read_text().split("\n", 4)[4]


@pytest.mark.usefixtures("quick_figures")
def test_baselines_and_models_may_be_left_out(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TINY, "--model", str(model), "--algorithms", "none"]) == 0
    assert "mine" in capsys.readouterr().out
    assert main([*TINY, *TUNED, "--model", "none", "--algorithms", "prox_ed"]) == 0
    printed = capsys.readouterr().out
    assert "Prox-ED" in printed and "PG-EXTRA" not in printed


@pytest.mark.usefixtures("quick_figures")
def test_the_table_has_the_tolerances_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [*TINY, *TUNED, "--model", "none", "--algorithms", "prox_ed", "--tolerance", "1e-1"]
    assert main(arguments) == 0
    assert "optimality gap of 1e-1," in capsys.readouterr().out


@pytest.mark.usefixtures("quick_figures")
def test_rounds_may_be_counted_to_the_worst_node(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TINY, *TUNED, *NONE, *ED, "--measure", "worst", "--output", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "results.json").read_text())["settings"]["measure"] == "worst"
    printed = " ".join(capsys.readouterr().out.split())
    assert "optimality gap of the worst node of 1e-4 / 1e-6" in printed and "rounds, average" in printed
    assert "note: None of 1 runs diverged." in printed


def test_list_prints_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    printed = capsys.readouterr().out
    for line in (
        "topologies:",
        "  ring",
        "datasets:",
        "  lasso:features=300",
        "handcrafted methods:",
        "  prox_ed",
        "tuned methods:",
        "  tuned_momentum",
        "metrics:",
        "  optimality_gap",
        "models:",
        "  milodo_gnn",
        "presets:",
        "  fig2",
    ):
        assert any(row.startswith(line) for row in printed.split("\n")), line
    assert "Node i" in printed or "node i" in printed


@pytest.mark.usefixtures("quick_figures")
def test_the_script_runs_as_a_program(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["evaluate.py", *TINY, *TUNED, *NONE, *ED])
    assert main(None) == 0  # type: ignore[arg-type]
    printed = capsys.readouterr().out
    assert "Prox-ED" in printed
    assert printed.splitlines()[-1].startswith(("The handcrafted method with the fewest", "No handcrafted method"))


def test_the_version_is_shown_before_the_imports_that_take_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["evaluate.py", "--version"])
    monkeypatch.setattr("gnn_l2o.cli.start.exit_on_signals", lambda _: None)
    monkeypatch.setattr("importlib.import_module", lambda name: pytest.fail(f"imported {name}"))
    with pytest.raises(SystemExit) as stop:
        start("evaluate", "evaluate.py")
    assert (stop.value.code, capsys.readouterr().out) == (0, f"gnn-l2o {__version__}\n")


def test_the_list_has_whole_sentences_without_markup(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    printed = capsys.readouterr().out
    assert ":math:" not in printed and ":class:" not in printed and "\\" not in printed
    described = [text.strip() for text in printed.split("\n") if text.startswith("      ")]
    assert described and all(text.endswith((".", ")", "?")) for text in described)
    assert main(["--list", "real"]) == 0
    names = capsys.readouterr().out.split()
    assert "real:name=topozoo/Abilene" in names and len(names) > 500
