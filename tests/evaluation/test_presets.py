"""Presets: what the files may say, what becomes of it, and that all those of the project can be run."""

import csv
import json
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.registry import METHODS
from gnn_l2o.cli.evaluate import main
from gnn_l2o.cli.evaluate_flags import build_parser, preset_flags
from gnn_l2o.evaluation.configured import configured
from gnn_l2o.evaluation.presets import available_presets, load_preset
from gnn_l2o.evaluation.selection import choose_methods
from gnn_l2o.graph.build import build_network, expand
from gnn_l2o.learned import available_models
from tests.small_data import IMAGE_DATASETS, image_folder

PROJECT = Path(__file__).resolve().parents[2]
FLAGS = preset_flags(build_parser())
TINY_SPECS = {
    "breast_cancer": "breast_cancer:samples=4",
    "bsds500": "bsds500:patch=4,atoms=20",
    "census": "census:samples=4",
    "lasso_benchmark": "lasso_benchmark:features=5,samples=9",
    "mlp": "mlp:samples=4,test_samples=5,shrink=7",
    "rastrigin": "rastrigin:features=3",
    "resnet": "resnet:samples=2,test_samples=5",
    "sparse_recovery": "sparse_recovery",  # of the dictionary that weights belong to
    "saddle": "saddle",
}
CALLS = [
    (preset, run.name, full)
    for preset in available_presets()
    for run in load_preset(preset, FLAGS).runs
    for full in (False, True)
]

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


@pytest.fixture(autouse=True)
def elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, since evaluations write into the present one."""
    folder = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def preset(tmp_path: Path) -> Path:
    file = tmp_path / "mine.toml"
    file.write_text(TWO_RUNS)
    return file


def settings(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "results.json").read_text())["settings"]


# --- those of the project


def test_every_figure_has_its_preset() -> None:
    figures = {f"fig{k}" for k in (2, 3, 4, 5, 6, 7, 8, 9, 14, 15, 17, 18, 19, 20, 21, 22, 23)}
    assert set(available_presets()) >= figures | {"table1"}


@pytest.mark.parametrize(("preset", "run", "full"), CALLS)
def test_what_a_preset_names_exists(preset: str, run: str, full: bool) -> None:
    (part,) = (p for p in load_preset(preset, FLAGS).runs if p.name == run)
    args = build_parser().parse_args(part.arguments(full=full))
    named = {model.partition(":")[0] for model in args.model if configured(model) is None}
    assert named <= {*available_models(), "none"}
    choose_methods([] if args.algorithms == ["none"] else args.algorithms)
    for spec in args.dataset:
        plugins.load("dataset", spec)
    for topology, nodes in expand(args.topology, args.nodes):
        build_network(topology, nodes, seed=0)


@pytest.mark.parametrize("preset", available_presets())
def test_a_full_preset_is_larger_but_shows_the_same(preset: str) -> None:
    for run in load_preset(preset, FLAGS).runs:
        assert run.full["iterations"] > run.flags["iterations"]
        assert set(run.full) <= {
            *("iterations", "instances", "tuning_budget", "tuning_instances", "dataset", "algorithms", "tolerance"),
            *("topology", "nodes"),
        }
        for key in {"topology", "nodes"} & set(run.full):
            assert set(run.full[key]) > set(run.flags[key])


def test_the_matrix_compares_with_the_strongest_of_each_family_everywhere() -> None:
    seen: set[tuple[str, int]] = set()
    for run in load_preset("generalization", FLAGS).runs:
        args = build_parser().parse_args(run.arguments(full=True))
        if args.algorithms == ["none"]:
            continue
        assert {"prox_ed", "nids_local", "inexact_admm", "dapg", "admm"} <= set(args.algorithms)
        assert args.tuning_budget >= 24 and args.tuning_instances is None
        for dataset in args.dataset:
            assert dataset.partition(":")[0] != "linear" or args.nodes == [16] or "opapc" in args.algorithms
            seen |= {(dataset.partition(":")[0], nodes) for nodes in args.nodes}
    kinds = {"lasso", "logistic", "linear"}
    assert seen >= {(kind, nodes) for kind in kinds for nodes in (10, 16, 50)} | {("lasso", 100)}


def test_the_matrix_of_the_release_shares_nothing_with_the_one_of_choices() -> None:
    def content(preset: str) -> tuple[set[int], set[str], set[int], set[str]]:
        calls = [build_parser().parse_args(r.arguments(full=True)) for r in load_preset(preset, FLAGS).runs]
        return (
            {c.seed for c in calls},
            {t for c in calls for t in c.topology},
            {n for c in calls for n in c.nodes},
            {d for c in calls for d in c.dataset},
        )

    for ours, theirs in zip(content("generalization"), content("selection"), strict=True):
        assert not ours & theirs
    seeds = {p: {run.flags.get("seed", 0) for run in load_preset(p, FLAGS).runs} for p in available_presets()}
    assert seeds.pop("generalization") == {607}
    assert all(607 not in others for others in seeds.values())


@pytest.mark.usefixtures("quick_figures")
@pytest.mark.parametrize("preset", available_presets())
def test_a_preset_runs_at_a_tiny_size(
    preset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = load_preset(preset, FLAGS).runs
    kind = runs[0].flags["dataset"][0].partition(":")[0]
    if kind == "census" and "GNN_L2O_DATA" not in os.environ:
        pytest.skip("GNN_L2O_DATA does not say where the census data is")
    if kind in IMAGE_DATASETS:
        monkeypatch.setenv("GNN_L2O_DATA", image_folder().name)
    spec = TINY_SPECS.get(kind, f"{kind}:features=5,samples=3")
    nodes = "3" if kind == "resnet" else "8"
    tiny = ["--dataset", spec, "--nodes", nodes, "--instances", "1", "--iterations", "3", "--tuning_budget", "1"]
    apart = {"min_max": "extragradient", "meta_stream": "prox_ed_constant"}  # nothing is tuned on a stream
    method = METHODS[apart.get(preset, "prox_ed")]
    tiny += ["--tuning_instances", "1", "--algorithms", method.name]
    tiny += [] if kind in IMAGE_DATASETS or method.min_max else ["tuned_constants"]
    tiny += ["--topology", runs[0].flags["topology"][0]]
    tiny += ["--limits", "all" if preset == "learned_baselines" else "none"]
    models = list(dict.fromkeys(m for run in runs for m in run.flags["model"]))
    assert main(["--preset", preset, *tiny, "--model", *models]) == 0
    printed = capsys.readouterr().out
    for run in runs:
        assert f"{preset}, {run.name}: " in printed
    assert printed.count(method.label) >= len(runs)


def test_the_documentation_names_every_preset() -> None:
    text = (PROJECT / "docs" / "figures.md").read_text()
    for name in available_presets():
        assert f"--preset {name}" in text
    for name in {word.strip("`.,)") for word in text.split("--preset ")[1:] for word in word.split()[:1]}:
        assert name in {*available_presets(), "NAME"}


# --- what becomes of them


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
    preset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
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
