"""Training that begins with a model."""

import dataclasses

import pytest

from gnn_l2o.cli.train import main
from gnn_l2o.learned import MiLoDoArchitecture, load_model, save_weights
from gnn_l2o.training import FINE_TUNING_STAGES, TrainingConfig, read_recipe
from tests.cli.train.arguments import refused, settings


@pytest.fixture
def model(tmp_path):
    """The folder of a model, trained on another mixture than that of ``command``."""
    config = TrainingConfig(
        dataset=("lasso:features=5,samples=3",),
        topology=("path",),
        nodes=(4,),
        mixing="lazy",
        problems=3,
        validation_problems=2,
        validation_iterations=7,
        seed=11,
        init="averaging",
        architecture=MiLoDoArchitecture(hidden_features=4, warmup=2),
    )
    save_weights(tmp_path / "model", config.build(), config.architecture)
    (tmp_path / "model" / "recipe.toml").write_text(config.to_toml())
    return tmp_path / "model"


def test_fine_tuning_takes_from_the_model_what_no_flag_says(model):
    own = read_recipe(model / "recipe.toml")
    config = settings(["--from", str(model), "--dataset", "lasso:features=9", "--nodes", "6"])
    expected = {"dataset": ("lasso:features=9",), "nodes": (6,), "loss": "log_area", "stages": FINE_TUNING_STAGES}
    assert config == dataclasses.replace(own, **expected, init=None, pretrained=str(model))
    assert settings(["--from", str(model)]).dataset == own.dataset


def test_fine_tuning_is_run_again_and_resumed_from_its_recipe(command, model, tmp_path, capsys):
    first, second = tmp_path / "first", tmp_path / "second"
    main([*command, "--from", str(model), "--output", str(first)])
    config = read_recipe(first / "recipe.toml")
    assert (config.pretrained, config.nodes, config.seed) == (str(model), (3, 5), 11)
    main(["--recipe", str(first / "recipe.toml"), "--output", str(second), "--threads", "1"])
    assert read_recipe(second / "recipe.toml") == config
    weights = (first / "weights.safetensors").read_bytes()
    assert (second / "weights.safetensors").read_bytes() == weights
    assert main(["--resume", "--output", str(first), "--threads", "1"]) == 0
    assert main([*command, "--from", str(model), "--resume", "--output", str(first)]) == 0
    assert (first / "weights.safetensors").read_bytes() == weights

    save_weights(model, load_model(first).source, config.architecture)
    for argv in (["--resume", "--output", str(first)], ["--recipe", str(first / "recipe.toml"), "--output", "x"]):
        capsys.readouterr()
        message = refused(capsys, argv)
        assert f"--pretrained {model}: the weights in {model} have changed since this recipe was written" in message


def test_fine_tuning_with_a_recipe(command, model, tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('[training]\ndataset = ["lasso"]\ninit = "random"\n')
    config = settings(["--from", str(model), "--recipe", str(recipe)])
    # The recipe decides what training does, as without --from; of the architecture it says nothing.
    assert config == TrainingConfig(
        ("lasso",), architecture=read_recipe(model / "recipe.toml").architecture, pretrained=str(model)
    )


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--hidden_features", "5"], "a model is trained further with its own architecture: it has hidden_features 4"),
        (["--no-spectral_gap"], "it has spectral_gap True, got False"),
        (["--architecture", "generic_l2o"], "it has kind 'milodo', got 'generic_l2o'"),
        (["--depth", "3"], "unknown milodo architecture setting 'depth'"),
        (["--init", "random"], "training begins either with the model"),
        (["--initial_step_size", "0.3"], "or with initial_step_size 0.3"),
        (["--paper"], "--from begins with the settings of a model, --paper with the paper's; leave one out"),
        (["--from", "nowhere"], "--pretrained nowhere: unknown model 'nowhere'"),
        (["--recipe", "other.toml"], "it has hidden_features 4, got 6, warmup 2, got 20"),
        (["--output", "model"], "holds the pretrained model"),
    ],
)
def test_what_contradicts_the_pretrained_model_is_refused(model, tmp_path, capsys, monkeypatch, argv, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.toml").write_text('[architecture]\nhidden_features = 6\n[training]\ndataset = ["lasso"]\n')
    before = (model / "weights.safetensors").read_bytes()
    assert message in refused(capsys, ["--from", "model", "--output", "mine", "--overwrite", *argv])
    assert not (tmp_path / "mine").exists() and (model / "weights.safetensors").read_bytes() == before


@pytest.mark.parametrize("flag", ["--recipe", "--from"])
def test_a_recipe_with_a_value_of_the_wrong_type_is_refused_in_one_line(model, tmp_path, capsys, flag):
    recipe = model / "recipe.toml"
    _, _, rest = recipe.read_text().partition("]\ntopology")
    recipe.write_text(f'[training]\ndataset = "lasso"\ntopology{rest}')
    given = model if flag == "--from" else recipe
    message = refused(capsys, [flag, str(given), "--features", "9", "--output", str(tmp_path / "mine")])
    assert message.endswith("""dataset is a list, got 'lasso'; expected dataset = ["lasso"]""")
