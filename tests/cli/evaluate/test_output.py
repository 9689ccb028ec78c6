"""Where the command of evaluation writes, and what stands on stdout and stderr."""

import csv
import json
from pathlib import Path

import pytest

from gnn_l2o.cli.evaluate import main
from tests.cli.evaluate.flags import ED, NONE, TINY, TUNED, fails


@pytest.mark.usefixtures("quick_figures")
def test_a_folder_with_results_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    arguments = [*TINY, *TUNED, *NONE, *ED, "--output", str(out)]
    assert main(arguments) == 0
    capsys.readouterr()
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}

    assert fails(arguments, capsys).startswith(f"--output {out}: holds another run already; resume continues it")
    other = fails([*arguments, "--resume", "--iterations", "31"], capsys)
    assert other == f"--output {out}: holds a run with iterations 30, not 31; cannot resume it"
    assert fails([*arguments, "--overwrite", "--topology", "rng"], capsys).startswith("--topology rng: ")
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before

    assert main([*arguments, "--resume"]) == 0
    assert (out / "results.json").read_bytes() == before[out / "results.json"]
    assert main([*arguments, "--overwrite", "--iterations", "31"]) == 0
    assert json.loads((out / "results.json").read_text())["settings"]["iterations"] == 31


def test_an_unusable_output_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    assert fails([*TINY, *NONE, "--output", str(file)], capsys) == f"--output {file}: {file} is not a folder"
    inside = file / "out"
    assert fails([*TINY, *NONE, "--output", str(inside)], capsys) == f"--output {inside}: {file} is not a folder"
    assert file.read_text() == "mine"
    (tmp_path / "results.json").write_text("not ours")
    line = fails([*TINY, *NONE, "--output", str(tmp_path), "--resume"], capsys)
    assert line.startswith(f"--output {tmp_path}: {tmp_path / 'results.json'} is not a results file of this project")
    assert fails([*TINY, *NONE, "--resume"], capsys) == "--resume: needs an output folder"
    assert fails([*TINY, *NONE, "--overwrite"], capsys) == "--overwrite: needs an output folder"


@pytest.mark.usefixtures("quick_figures")
def test_an_interrupted_run_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("gnn_l2o.evaluation.experiment.measure", interrupt)
        assert main([*TINY, *TUNED, *NONE, *ED, "--output", str(tmp_path)]) == 130
    line = "evaluate.py: interrupted; the same command with --resume goes on from here"
    printed = capsys.readouterr()
    assert line in printed.err.splitlines() and not printed.out
    assert main([*TINY, *TUNED, *NONE, *ED, "--output", str(tmp_path), "--resume"]) == 0


def test_results_have_a_folder_of_their_own_by_default(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TINY, *TUNED, *NONE, *ED]) == 0
    [folder] = (elsewhere / "out").iterdir()
    assert (folder / "results.json").exists() and (folder / "report.html").exists()
    out, err = capsys.readouterr()
    assert f"results go into out/{folder.name}" in err.splitlines()
    assert f"results, report and figures are in out/{folder.name}" in out.splitlines()


@pytest.mark.usefixtures("quick_figures")
def test_rows_for_programs_stand_alone_on_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [*TINY, *TUNED, *NONE, *ED, "--output", str(tmp_path)]
    assert main([*arguments, "--format", "csv"]) == 0
    printed = capsys.readouterr().out
    assert printed == (tmp_path / "algorithms.csv").read_text()
    assert main([*arguments, "--format", "json", "--resume"]) == 0
    rows = json.loads(capsys.readouterr().out)
    read = list(csv.DictReader(printed.splitlines()))
    assert [[str(r["tolerance"]), r["algorithm"]] for r in rows] == [[r["tolerance"], r["algorithm"]] for r in read]
    assert len(rows) == 8 and rows[0]["class"] == "one gradient a round"


@pytest.mark.usefixtures("quick_figures")
def test_stderr_is_as_loud_as_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [*TINY, *TUNED, *NONE, *ED, "--overwrite", "--output", str(tmp_path)]
    assert main([*arguments, "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    assert main([*arguments, "--verbose"]) == 0
    said = capsys.readouterr().err
    assert "tuning prox_ed" in said and "prox_ed, instance 1 of 1" in said and f"results go into {tmp_path}" in said
    assert main(arguments) == 0
    assert capsys.readouterr().err == f"results go into {tmp_path}\n"


@pytest.mark.usefixtures("quick_figures")
def test_the_page_is_opened_on_demand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    arguments = [*TINY, *TUNED, *NONE, *ED, "--output", str(tmp_path / "out"), "--open"]
    assert main(arguments) == 0
    assert opened == [(tmp_path / "out/report.html").as_uri()]
    monkeypatch.setattr("gnn_l2o.cli.output.missing", lambda: ["altair"])
    capsys.readouterr()
    line = fails([*arguments, "--overwrite"], capsys)
    assert line == "--open: altair is missing; pip install 'gnn-l2o[report]' installs it"
