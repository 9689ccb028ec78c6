"""Training unrolled networks layer by layer: what it reaches, that it is resumed exactly, and what it refuses."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

import gnn_l2o.training.layerwise.run as run_module
from gnn_l2o._utils.errors import InputError
from gnn_l2o.cli.train import build_parser, main
from gnn_l2o.cli.training_configuration import configuration
from gnn_l2o.learned import load_model
from gnn_l2o.learned.unrolled import UNROLLED, Unrolled
from gnn_l2o.training import LayerStage, LayerwiseConfig, LayerwiseRun, TrainingConfig
from gnn_l2o.training.layerwise.samples import estimates

STAGES = (LayerStage("new", 1e-2, 12), LayerStage("all", 2e-3, 6))
DATASET = "sparse_recovery:features=24,measurements=14"
KINDS = pytest.mark.parametrize("kind", [kind.name for kind in UNROLLED])


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the picture of the training curve out, which takes longer than the trainings here."""
    monkeypatch.setattr(run_module, "write_curve", lambda *_: None)


def config_of(kind: str = "alista", **changes: Any) -> LayerwiseConfig:
    settings: dict[str, Any] = {
        "dataset": (DATASET,),
        "architecture": {"kind": kind, "depth": 3},
        "batch_size": 16,
        "validation_problems": 64,
        "validate_every": 3,
        "stages": STAGES,
    }
    return LayerwiseConfig(**{**settings, **changes})


def validation_of(run: LayerwiseRun) -> float:
    held_out = run.validation
    x = estimates(run.network, held_out, len(run.weights))
    return float(run.network.validation(held_out.given, x, held_out.targets_at_nodes))


@KINDS
def test_training_improves_on_the_classical_algorithm(kind: str, tmp_path: Path) -> None:
    run = LayerwiseRun(config_of(kind), tmp_path)
    before = validation_of(run)
    run.run()
    assert validation_of(run) < before - (0.5 if kind != "step_lista" else 0.0)
    loaded = load_model(tmp_path)
    assert isinstance(loaded, Unrolled) and loaded.refusal(run.source.problem, run.source.graph) is None
    for name, value in loaded.weights.state_dict().items():
        assert torch.equal(value, run.weights.state_dict()[name])
    assert "NMSE over the set" in (tmp_path / "card.md").read_text()
    assert run.progress.iterations == run.total_iterations == 54


def test_a_stage_ends_with_its_best_weights(tmp_path: Path) -> None:
    wild = (LayerStage("new", 1e-2, 6), LayerStage("all", 3.0, 6))
    run = LayerwiseRun(config_of(stages=wild), tmp_path)
    before = validation_of(run)
    run.run()
    last = [point for point in run.progress.curve if point.stage == 3]
    assert max(point.validation for point in last) > last[-1].best + 1  # the wild stage did harm
    assert validation_of(run) == last[-1].best < before


def test_a_stage_without_progress_ends_early(tmp_path: Path) -> None:
    patient = (LayerStage("new", 1e-2, 6), LayerStage("all", 3.0, 30, patience=6))
    run = LayerwiseRun(config_of(stages=patient), tmp_path)
    run.run()
    assert run.progress.updates < run.total_iterations == run.progress.iterations


def test_a_layer_is_initialized_as_the_trained_one_before(tmp_path: Path) -> None:
    begun: dict[str, dict[int, torch.Tensor]] = {"previous": {}, "classical": {}}
    for how, seen in begun.items():

        def keep(run: LayerwiseRun, seen: dict[int, torch.Tensor] = seen) -> None:
            if run.progress.updates in (18, 19):  # the first layer is trained; the second one has had an update
                seen[run.progress.updates] = run.weights.layers[run.progress.updates - 18].weight.detach().clone()

        LayerwiseRun(config_of("lista_cp", layer_init=how), tmp_path / how, report=keep).run()
    assert torch.equal(begun["previous"][18], begun["classical"][18])
    trained, update = begun["previous"][18], 1.001 * STAGES[0].lr  # of Adam, the first one, of an entry
    assert (begun["previous"][19] - trained).abs().max() <= update
    assert (begun["classical"][19] - trained).abs().max() > 3 * update


def test_stages_of_the_last_layer_alone_are_left_out_before(tmp_path: Path) -> None:
    last = LayerStage("all", 1e-3, 5, last_layer_only=True)
    config = config_of(stages=(STAGES[0], last))
    assert config.schedule == ((0, STAGES[0]), (1, STAGES[0]), (2, STAGES[0]), (2, last))
    assert config_of(layers="together", stages=(STAGES[0], last)).schedule == ((2, STAGES[0]), (2, last))
    run = LayerwiseRun(config, tmp_path)
    run.run()
    assert run.progress.updates == run.total_iterations == 3 * 12 + 5
    assert [point.epoch for point in run.progress.curve] == [*range(1, 5), *range(1, 5), *range(1, 7)]
    assert [point.stage for point in run.progress.curve] == 4 * [1] + 4 * [2] + 6 * [3]
    assert "| all, last layer alone | 0.001 | 5 | - |" in (tmp_path / "card.md").read_text()


@pytest.mark.parametrize(("kind", "after"), [("alista", 7), ("alista", 12), ("alista", 18), ("lista", 20)])
def test_a_resumed_training_gives_the_same_weights(kind: str, after: int, tmp_path: Path) -> None:
    whole = LayerwiseRun(config_of(kind), tmp_path / "whole")
    whole.run()

    def stop(run: LayerwiseRun) -> None:
        if run.progress.updates == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        LayerwiseRun(config_of(kind), tmp_path / "parts", report=stop).run()
    again = LayerwiseRun(config_of(kind), tmp_path / "parts", resume=True)
    assert again.resumed and again.progress.updates == after
    again.run()
    for name, value in whole.weights.state_dict().items():
        assert torch.equal(value, again.weights.state_dict()[name]), name
    assert [p.validation for p in again.progress.curve] == [p.validation for p in whole.progress.curve]
    finished = LayerwiseRun(config_of(kind), tmp_path / "parts", resume=True)
    finished.run()
    assert finished.progress.updates == whole.progress.updates


def test_a_run_is_resumed_with_its_own_settings_only(tmp_path: Path) -> None:
    LayerwiseRun(config_of(), tmp_path).run()
    with pytest.raises(InputError, match="batch_size = 16, got 8"):
        LayerwiseRun(config_of(batch_size=8), tmp_path, resume=True)
    (tmp_path / "checkpoint.pt").unlink()
    with pytest.raises(InputError, match=r"holds a model without a checkpoint\.pt"):
        LayerwiseRun(config_of(), tmp_path, resume=True)


def test_all_layers_may_be_trained_together_over_a_ring(tmp_path: Path) -> None:
    architecture = {"kind": "alista", "depth": 6, "sums": "exact_diffusion", "initial_step": 0.06}
    stages = (LayerStage("all", 5e-3, 30),)
    config = config_of(architecture=architecture, topology=("ring",), nodes=(4,), layers="together", stages=stages)
    run = LayerwiseRun(config, tmp_path)
    before = validation_of(run)
    run.run()
    assert validation_of(run) < before - 0.5
    assert run.source.graph.num_nodes == 4 and run.network.sums == "exact_diffusion"


def test_a_recipe_comes_back_as_it_was(tmp_path: Path) -> None:
    run = LayerwiseRun(config_of("lista_cp", stages=(LayerStage("new", 1e-3, 1, patience=5),)), tmp_path)
    run.run()
    args = build_parser().parse_args(["--recipe", str(tmp_path / "recipe.toml")])
    assert configuration(args) == run.config
    assert run.config.architecture.to_dict()["dictionary_rows"] == 14


def test_what_is_no_sparse_recovery_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="trained on sparse signals"):
        LayerwiseRun(config_of(dataset=("lasso",)), tmp_path)
    with pytest.raises(InputError, match="trained layer by layer, such as 'alista'; got"):
        config_of(architecture={"kind": "lpg_extra"})
    with pytest.raises(InputError, match="updates is at least 1"):
        LayerStage(parameters="new", lr=1e-3, updates=0)


def test_a_rate_that_is_too_large_is_named(tmp_path: Path) -> None:
    stages = (LayerStage("new", 1e-2, 1), LayerStage("all", 1e30, 30))
    with pytest.raises(InputError, match=r"diverged 11 times in .* updates; expected a smaller learning rate"):
        LayerwiseRun(config_of("lista_cp", stages=stages), tmp_path).run()


def test_the_command_trains_an_unrolled_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--architecture", "alista", "--dataset", DATASET, "--depth", "2", "--validation_problems", "32"]
    assert main([*arguments, "--quick", "--batch_size", "8", "--output", str(tmp_path / "mine")]) == 0
    assert "layer 2/2:" in capsys.readouterr().err
    assert load_model(tmp_path / "mine").depth == 2


def configured(*arguments: str) -> LayerwiseConfig | TrainingConfig:
    return configuration(build_parser().parse_args(["--architecture", "alista", "--dataset", DATASET, *arguments]))


def test_flags_change_settings_of_layerwise_training() -> None:
    config = configured("--seed", "3", "--lr", "0.01", "--layers", "together", "--sums", "sum", "--rounds", "2")
    assert isinstance(config, LayerwiseConfig)
    assert (config.seed, config.layers, config.architecture.sums) == (3, "together", "sum")
    assert [round(stage.lr, 6) for stage in config.stages] == [0.01, 0.002, 0.0002]


@pytest.mark.parametrize(("flag", "value"), [("--loss", "log_gap"), ("--epochs", "3"), ("--problems", "5")])
def test_flags_of_training_on_a_mixture_are_refused(flag: str, value: str) -> None:
    with pytest.raises(InputError, match="whose training has no such setting"):
        configured(flag, value)


def test_stages_are_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "stages.json").write_text('[{"parameters": "all", "lr": 0.1, "updates": 3}]')
    config = configured("--stages_config", str(tmp_path / "stages.json"))
    assert config.stages == (LayerStage("all", 0.1, 3),)
    (tmp_path / "stages.json").write_text('[{"parameters": "old", "lr": 0.1, "updates": 3}]')
    with pytest.raises(InputError, match="parameters"):
        configured("--stages_config", str(tmp_path / "stages.json"))


def test_batches_depend_on_where_training_stands_alone(tmp_path: Path) -> None:
    source = LayerwiseRun(config_of(), tmp_path).source
    first, again, other = (source.draw("training", 4, 0, k) for k in (1, 1, 2))
    assert torch.equal(first.target, again.target) and not torch.equal(first.target, other.target)
    assert dataclasses.fields(first)[0].name == "given"
