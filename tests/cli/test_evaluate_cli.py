"""The command: what it prints and writes, and that bad input ends in one line, exit code 2 and nothing written."""

import csv
import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from gnn_l2o._version import __version__
from gnn_l2o.algorithms.registry import METHODS
from gnn_l2o.cli.evaluate import main
from gnn_l2o.cli.progress import LOGGER, Heartbeat
from gnn_l2o.cli.start import start
from gnn_l2o.evaluation.selection import members
from gnn_l2o.learned import MiLoDoArchitecture, save_weights
from gnn_l2o.limits import LIMITS

TINY = ["--dataset", "lasso:features=6,samples=4", "--nodes", "4", "--instances", "1", "--iterations", "30"]
TINY += ["--limits", "none"]
TUNED = ["--tuning_budget", "4", "--tuning_instances", "1"]
NONE = ["--model", "none"]
ED = ["--algorithms", "prox_ed"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, since evaluations write into the present one."""
    folder = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return the folder of an optimizer that was never trained."""
    folder = tmp_path / "mine"
    architecture = MiLoDoArchitecture(hidden_features=4)
    save_weights(folder, architecture.build(), architecture)
    (folder / "recipe.toml").write_text("[architecture]\nhidden_features = 4\n")
    return folder


@pytest.fixture
def in_file(tmp_path: Path) -> Callable[[str], str]:
    """Return what makes a dataset file with this body of ``sample``."""

    def make(body: str) -> str:
        path = tmp_path / "data.py"
        path.write_text(
            "import numpy as np\n"
            "from gnn_l2o.problems import LeastSquares\n"
            "from gnn_l2o.problems.regularizers import L1, GroupL1\n"
            "def sample(network, *, seed: int):\n"
            "    nodes = network.num_nodes\n"
            f"    {body}\n"
        )
        return str(path)

    return make


def fails(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run the command and return the one line that says what is wrong."""
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    [line] = err.strip().split("\n")
    assert line.startswith("evaluate.py: error: ")
    return line.removeprefix("evaluate.py: error: ")


def test_the_command_works(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    topologies = ["--topology", "erdos_renyi:p=0.7", "real:name=topozoo/Abilene"]
    methods = ["--algorithms", "prox_dgd", "pg_extra", "prox_ed", "tuned_constants"]
    limits = ["--limits", "diameter", "flooding"]
    arguments = [*TINY, *TUNED, *topologies, *methods, *limits, "--model", str(model), "--nodes", "4", "6"]
    assert main([*arguments, "--output", str(out)]) == 0
    printed = capsys.readouterr().out
    for word in ("mine", "Prox-DGD", "PG-EXTRA", "Prox-ED", "real:name=topozoo/Abilene", str(out)):
        assert word in printed
    assert printed.count("rank") == 3  # a ranking for each case, then
    assert "over Prox-ED" in printed.split("rank")[-1]  # the summary
    content = json.loads((out / "results.json").read_text())
    cases = list(dict.fromkeys((r["topology"], r["nodes"]) for r in content["runs"]))
    assert cases == [("erdos_renyi:p=0.7", 4), ("erdos_renyi:p=0.7", 6), ("real:name=topozoo/Abilene", 11)]
    assert {r["algorithm"] for r in content["runs"]} == {"mine", *methods[1:], *limits[1:]}
    assert content["command"].startswith("python evaluate.py --dataset lasso:features=6,samples=4")
    figures = {ending: {p.stem for p in (out / "figures").glob(f"*.{ending}")} for ending in ("png", "svg")}
    assert figures["png"] == figures["svg"]
    assert len([stem for stem in figures["png"] if not stem.startswith("front_")]) == 4
    assert "overview" in figures["png"]  # the others are a case each
    assert "Speed-ups in rounds" in printed and (out / "overview.md").exists()
    assert (out / "summary.csv").read_text().count("\n") == 1 + 3 * 8


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--topology", "rng"], "--topology rng: unknown topology 'rng'; did you mean 'ring'?"),
        (["--dataset", "laso"], "--dataset laso: unknown dataset 'laso'; did you mean 'lasso'?"),
        (["--model", "milodo_gmn"], "--model milodo_gmn: unknown model 'milodo_gmn'"),
        (["--algorithms", "prox_e"], "--algorithms prox_e: unknown method 'prox_e'; did you mean"),
        (["--algorithms", "none", "prox_ed"], "--algorithms none: unknown method 'none'"),
        (["--mixing", "metropolys"], "--mixing metropolys: unknown mixing 'metropolys'; did you mean 'metropolis'?"),
        (["--dtype", "float16"], "argument --dtype: invalid choice: 'float16'"),
        (["--dataset", "lasso:feature=3"], "--dataset lasso:feature=3: unknown parameter of dataset lasso: 'feature'"),
        (["--dataset", "lasso:features=many"], "--dataset lasso:features=many: dataset lasso: features: expected int"),
        (["--topology", "erdos_renyi:p=2"], "--topology erdos_renyi:p=2 --nodes 4: p is a probability"),
        (["--topology", "ring:p=2"], "--topology ring:p=2: unknown parameter of topology ring"),
        (["--topology", "ring", "--nodes", "2"], "--topology ring --nodes 2: a ring needs at least 3 nodes, got 2"),
        (["--topology", "erdos_renyi:p=0"], "--topology erdos_renyi:p=0 --nodes 4: "),
        (["--nodes", "ten"], "argument --nodes: invalid int value: 'ten'"),
        (["--instances", "0"], "--instances 0: expected at least 1 and at most 1000, got 0"),
        (["--iterations", "0"], "--iterations 0: expected at least 1 and at most 1000000000, got 0"),
        (["--tuning_budget", "0"], "--tuning_budget 0: expected at least 1 and at most 100000, got 0"),
        (["--seed", "-1"], "--seed -1: expected at least 0, got -1"),
        (["--measure", "median"], "argument --measure: invalid choice: 'median'"),
        (["--tolerance", "0.5"], "argument --tolerance: invalid choice: 0.5"),
        (["--algorithms", "none"], "nothing to evaluate; expected a model or a method"),
        (["--faults", "drp=0.1"], "--faults drp=0.1: unknown fault 'drp'; did you mean 'drop'?"),
        (["--batch_size", "0"], "--batch_size 0: expected at least 1, got 0"),
        (["--references", "prox_e"], "--references prox_e: unknown method 'prox_e'; did you mean 'prox_ed'?"),
        (["--metrics", "gap"], "--metrics gap: unknown metric 'gap'"),
        (["--full"], "--full: needs a preset"),
        (["--quick"], "--quick: needs a preset"),
        (["--resume", "--overwrite"], "--resume: cannot be combined with overwrite"),
        (["--unknown"], "unrecognized arguments: --unknown"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_writes_nothing(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    line = fails([*TINY, *NONE, "--output", str(out), *arguments], capsys)
    assert line.startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_a_network_in_parts_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    adjacency = np.zeros((4, 4))
    adjacency[0, 1] = adjacency[1, 0] = adjacency[2, 3] = adjacency[3, 2] = 1
    np.save(tmp_path / "graph.npy", adjacency)
    topology = f"from_file:path={tmp_path / 'graph.npy'}"
    line = fails([*TINY, *NONE, "--topology", topology, "--output", str(tmp_path / "out")], capsys)
    assert line.startswith(f"--topology {topology} --nodes 4: ") and "parts" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "return LeastSquares.from_nodes([np.full((2, 3), np.nan)] * nodes, [np.ones(2)] * nodes, L1(0.1))",
            "features of node 0 hold nan",
        ),
        (
            "return LeastSquares.from_nodes([np.full((2, 3), 1e200)] * nodes, [np.ones(2) * 1e200] * nodes, L1(0.1))",
            "the losses are not finite at the initial point",
        ),
        (
            "return LeastSquares.from_nodes([np.ones((2, 3))] * 7, [np.ones(2)] * 7, L1(0.1))",
            "made losses for 7 nodes; the network has 4",
        ),
        (
            "return LeastSquares.from_nodes([np.ones((2, 3))] * nodes, [np.ones(3)] * nodes, L1(0.1))",
            "targets of node 0 must be (2), got (3)",
        ),
        (
            "return LeastSquares.from_nodes([np.ones((2, 3))] * nodes, [np.ones(2)] * nodes, GroupL1(0.1, 2))",
            "group_l1 with size=2 needs a multiple of it as dimension, got 3",
        ),
    ],
    ids=["not a number", "overflow", "other nodes", "other samples", "other groups"],
)
def test_bad_data_is_refused(
    body: str, message: str, in_file: Callable[[str], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = in_file(body)
    line = fails([*TINY, *NONE, "--dataset", dataset, "--output", str(tmp_path / "out")], capsys)
    assert line.startswith(f"--dataset {dataset}: {message}")
    assert not (tmp_path / "out").exists()


def test_bad_weights_are_refused(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [*TINY, "--model", str(model), "--output", str(tmp_path / "out")]
    weights, recipe = model / "weights.safetensors", model / "recipe.toml"
    good = weights.read_bytes()

    weights.write_bytes(good[: len(good) // 2])
    corrupt = fails(arguments, capsys)
    weights.write_bytes(good)
    recipe.write_text("[architecture]\nhidden_features = 5\n")
    differing = fails(arguments, capsys)
    recipe.write_text("[architecture]\nhidden_features = 4\n")
    torch.save({"weight": torch.zeros(3)}, weights)
    foreign = fails(arguments, capsys)
    weights.unlink()
    missing = fails(arguments, capsys)
    for line in (corrupt, differing, foreign, missing):
        assert line.startswith(f"--model {model}: ")
    assert "hidden_features" in differing
    assert not (tmp_path / "out").exists()


def test_two_models_of_one_name_are_refused(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = fails([*TINY, "--model", str(model), str(model)], capsys)
    assert line == f"--model {model}: two algorithms are called 'mine'; expected different names"


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


@pytest.mark.usefixtures("quick_figures")
def test_the_script_runs_as_a_program(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["evaluate.py", *TINY, *TUNED, *NONE, *ED])
    assert main(None) == 0  # type: ignore[arg-type]
    printed = capsys.readouterr().out
    assert "Prox-ED" in printed
    assert printed.splitlines()[-1].startswith(("The handcrafted method with the fewest", "No handcrafted method"))


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


def test_heartbeats_say_how_much_time_is_left() -> None:
    heartbeat = Heartbeat()
    assert heartbeat.line(5) == "0 % done after 5 s: checking"
    heartbeat.tell("tuning dapg", 0.25)
    assert heartbeat.line(600) == "25 % done after 10 min, about 30 min left: tuning dapg"


def test_heartbeats_judge_the_time_left_without_preparations(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 700.0, 730.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    said: list[str] = []
    monkeypatch.setattr(LOGGER, "info", lambda _, line: said.append(line))
    heartbeat = Heartbeat()
    heartbeat.tell("drawing", 0.0)
    heartbeat.tell("training", 0.5)
    heartbeat.beat()
    assert said == ["50 % done after 30 s, about 30 s left: training"]


def test_heartbeats_go_on_during_a_long_step(monkeypatch: pytest.MonkeyPatch) -> None:
    said = threading.Event()
    monkeypatch.setattr(LOGGER, "info", lambda *_: said.set())
    with Heartbeat(period=0.001).running():
        assert said.wait(10)


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
