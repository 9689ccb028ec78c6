"""Presets of the project: all can be run, and each shows what it should."""

import os
from pathlib import Path

import pytest

from gnn_l2o import plugins
from gnn_l2o.algorithms.registry import METHODS
from gnn_l2o.cli.evaluate import main
from gnn_l2o.cli.evaluate_flags import build_parser
from gnn_l2o.evaluation.configured import configured
from gnn_l2o.evaluation.presets import available_presets, load_preset
from gnn_l2o.evaluation.selection import choose_methods
from gnn_l2o.graph.build import build_network, expand
from gnn_l2o.learned import available_models
from tests.evaluation.preset_flags import FLAGS
from tests.small_data import IMAGE_DATASETS, image_folder

pytestmark = pytest.mark.usefixtures("elsewhere")
PROJECT = Path(__file__).resolve().parents[2]
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
    named = [m for run in runs for m in run.flags["model"]]
    models = list({m.partition(":")[0]: m for m in reversed(named)}.values())  # one of each architecture
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
