"""The command of training: what it writes and says, and that it goes on and does the same again."""

import re

import pytest

from gnn_l2o.cli.train import main
from gnn_l2o.learned import MiLoDoArchitecture, load_model
from gnn_l2o.training import read_recipe
from tests.cli.train.arguments import refused, without


@pytest.mark.usefixtures("drawn_curves")
def test_the_command_trains_a_model_that_loads(command, tmp_path, capsys):
    output = tmp_path / "mine"
    assert main([*command, "--output", str(output)]) == 0
    assert load_model(output).name == "mine"
    assert {p.name for p in output.iterdir()} == {
        "card.md",
        "checkpoint.pt",
        "curve.csv",
        "curve.png",
        "recipe.toml",
        "weights.safetensors",
    }
    printed = capsys.readouterr().err
    assert "stage 1/1 epoch 1: loss" in printed


def test_its_recipe_trains_the_same_model_again(command, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    main([*command, "--output", str(first)])
    main(["--recipe", str(first / "recipe.toml"), "--output", str(second), "--threads", "1"])
    assert read_recipe(first / "recipe.toml") == read_recipe(second / "recipe.toml")
    assert (first / "weights.safetensors").read_bytes() == (second / "weights.safetensors").read_bytes()


def test_the_settings_of_the_paper(command, tmp_path):
    argv = without(command, "--hidden_features", "--warmup")
    main([*argv, "--paper", "--output", str(tmp_path / "mine")])
    config = read_recipe(tmp_path / "mine" / "recipe.toml")
    assert (config.loss, config.init) == ("objective", "special")
    assert config.architecture == MiLoDoArchitecture(
        parametrization="paper", symmetrize="mean", hidden_features=20, warmup=0, recompute_every=1
    )


@pytest.mark.parametrize(
    ("kind", "flags", "setting"),
    [
        ("per_node", ["--nodes", "3", "--topology", "ring", "--hidden_features", "3"], ("links", "0-1 0-2 1-2")),
        ("generic_l2o", ["--hidden_features", "3"], ("hidden_features", 3)),
        ("lpg_extra", ["--depth", "6"], ("depth", 6)),
        ("learned_scalars", ["--no-linear", "--warmup", "0"], ("linear", False)),
    ],
)
def test_other_kinds_of_architecture(command, tmp_path, kind, flags, setting):
    argv = without(command, "--hidden_features", "--warmup")
    main([*argv, "--architecture", kind, *flags, "--output", str(tmp_path / "mine")])
    architecture = read_recipe(tmp_path / "mine" / "recipe.toml").architecture
    assert architecture.name == kind and getattr(architecture, setting[0]) == setting[1]
    assert load_model(tmp_path / "mine").name == "mine"


def test_another_kind_takes_the_papers_training_but_not_its_architecture(command, tmp_path):
    argv = without(command, "--hidden_features", "--warmup")
    flags = ["--paper", "--architecture", "generic_l2o", "--init", "still"]
    main([*argv, *flags, "--output", str(tmp_path / "mine")])
    config = read_recipe(tmp_path / "mine" / "recipe.toml")
    assert (config.loss, config.architecture.hidden_features) == ("objective", 20)


def test_a_finished_run_can_be_resumed_and_stays_as_it_is(command, tmp_path):
    output = tmp_path / "mine"
    main([*command, "--output", str(output)])
    before = (output / "weights.safetensors").read_bytes()
    assert main(["--resume", "--output", str(output), "--threads", "1"]) == 0
    assert (output / "weights.safetensors").read_bytes() == before


def test_a_model_is_not_overwritten_by_accident(command, tmp_path, capsys):
    output = tmp_path / "mine"
    main([*command, "--output", str(output)])
    before = {p.name: p.read_bytes() for p in output.iterdir()}
    capsys.readouterr()
    assert "holds a model already" in refused(capsys, [*command, "--output", str(output)])
    message = refused(capsys, [*command, "--batch_size", "1", "--resume", "--output", str(output)])
    assert "a run with batch_size = 2, got 1; a run is resumed with the settings it was begun with" in message
    assert {p.name: p.read_bytes() for p in output.iterdir()} == before
    assert main([*command, "--batch_size", "1", "--overwrite", "--output", str(output)]) == 0


def test_without_output_a_training_has_a_new_folder_and_says_which(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(command) == 0
    [folder] = (tmp_path / "out").iterdir()
    assert load_model(folder).name == folder.name
    assert f"the model goes into out/{folder.name}\n" in capsys.readouterr().err


def test_a_training_says_what_it_will_do_and_every_epoch(command, tmp_path, capsys):
    main([*command, "--epochs", "3", "--batch_size", "1", "--output", str(tmp_path / "mine")])
    lines = capsys.readouterr().err.splitlines()
    plan = re.compile(r"4 problems, epochs of the stages 3, at most 24 updates, about \d+ s")  # 2 for each batch
    [number] = [k for k, line in enumerate(lines) if plan.fullmatch(line)]
    assert [line.split(":")[0] for line in lines[number + 1 : -1]] == [f"stage 1/1 epoch {k}" for k in (1, 2, 3)]
