"""Fine-tuning: training that begins with the weights of a model."""

import dataclasses
from pathlib import Path

import pytest
import torch

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError
from gnn_l2o.learned import MiLoDoArchitecture, PerNodeArchitecture, load_model, save_weights
from gnn_l2o.learned.model import shortest_name
from gnn_l2o.training import FINE_TUNING_STAGES, TrainingConfig, TrainingRun, fine_tuning
from gnn_l2o.training.card import write_card
from gnn_l2o.training.losses import Area
from gnn_l2o.training.mixture import fitted
from gnn_l2o.training.rollout import validate
from tests.training.small_training import TINY, assert_same_weights, cut_off, weights_of

pytestmark = pytest.mark.usefixtures("single_precision")


def save_model(folder: Path, config: TrainingConfig = TINY, *, seed: int = 3) -> dict[str, torch.Tensor]:
    """Write a model with drawn weights, as a training run of this configuration would; return them."""
    config = fitted(dataclasses.replace(config, seed=seed, init="random"))
    weights = config.build()
    save_weights(folder, weights, config.architecture)
    (folder / "recipe.toml").write_text(config.to_toml())
    return weights.state_dict()


@pytest.fixture
def model(tmp_path):
    """A folder with a model of :data:`TINY`'s architecture."""
    save_model(tmp_path / "model")
    return tmp_path / "model"


def tuned_from(folder: Path) -> TrainingConfig:
    return dataclasses.replace(TINY, pretrained=str(folder), loss="area")


def test_fine_tuning_starts_from_the_models_weights_and_with_a_fresh_optimizer(model, tmp_path):
    training = TrainingRun(tuned_from(model), tmp_path / "mine")
    assert_same_weights(weights_of(training), load_model(model).source.state_dict())
    assert not training.optimizer.state
    before = validate(load_model(model), training.validation, 15, Area())
    training.run()
    assert training.progress.updates > 0
    assert training.progress.best <= before


def test_fine_tuning_from_whatever_seed_starts_from_the_same_weights(model):
    first, second = (dataclasses.replace(tuned_from(model), seed=seed).build() for seed in (0, 1))
    assert_same_weights(first.state_dict(), second.state_dict())


def test_the_recipe_says_from_which_weights_training_started(model):
    config = fitted(tuned_from(model))
    assert (config.pretrained, config.init, config.initial_step_size) == (str(model), None, None)
    assert config.pretrained_fingerprint and TrainingConfig.from_dict(config.to_dict()) == config == fitted(config)
    save_model(model, seed=3)
    assert fitted(tuned_from(model)) == config
    save_model(model, seed=4)
    assert fitted(tuned_from(model)).pretrained_fingerprint != config.pretrained_fingerprint


def test_a_model_in_models_is_recorded_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_model(Path("elsewhere/known"))
    assert fitted(tuned_from(Path("elsewhere/known"))).pretrained == "elsewhere/known"
    (shipped,) = plugins.folders("model")
    assert shortest_name(shipped / "milodo_gnn") == shortest_name("milodo_gnn") == "milodo_gnn"


def test_a_killed_fine_tuning_resumes_to_the_same_weights_bit_for_bit(model, tmp_path):
    whole = TrainingRun(tuned_from(model), tmp_path / "whole")
    whole.run()
    resumed = cut_off(tuned_from(model), tmp_path / "cut", when=lambda run: run.progress.updates > 5)
    assert 0 < resumed.progress.iterations < whole.progress.iterations
    resumed.run()
    assert_same_weights(weights_of(resumed), weights_of(whole))
    assert_same_weights(resumed.best_weights, whole.best_weights)


def test_a_model_that_has_changed_is_refused(model, tmp_path):
    training = TrainingRun(tuned_from(model), tmp_path / "mine")
    training.save_checkpoint()
    recipe = training.config
    save_model(model, seed=4)
    for folder, resume in ((tmp_path / "mine", True), (tmp_path / "again", False)):
        with pytest.raises(
            InputError, match="have changed since this recipe was written: expected pretrained_fingerprint"
        ):
            TrainingRun(recipe, folder, resume=resume)
    # Named anew, the model is taken as it is; but not to go on with what was begun from the old one.
    with pytest.raises(InputError, match="belongs to a run with pretrained_fingerprint"):
        TrainingRun(tuned_from(model), tmp_path / "mine", resume=True)
    TrainingRun(tuned_from(model), tmp_path / "again")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"init": "averaging"}, "either with the model .*model or with init averaging"),
        ({"initial_step_size": 0.3}, "either with the model .*model or with initial_step_size 0.3"),
        ({"pretrained": None, "pretrained_fingerprint": "0"}, "pretrained_fingerprint is that of the model pretrained"),
        ({"pretrained": "nowhere"}, "unknown model 'nowhere'"),
        (
            {"architecture": MiLoDoArchitecture(hidden_features=5, warmup=4)},
            "with its own architecture: it has hidden_features 4, got 5, warmup 3, got 4$",
        ),
        ({"architecture": PerNodeArchitecture()}, "it has kind 'milodo', got 'per_node'$"),
    ],
)
def test_what_contradicts_the_pretrained_model_is_refused(model, change, message):
    with pytest.raises(InputError, match=message):
        fitted(dataclasses.replace(tuned_from(model), **change))


def test_a_model_bound_to_its_graph_is_fine_tuned_on_that_graph_only(tmp_path):
    bound = dataclasses.replace(TINY, topology=("ring",), nodes=(4,), architecture=PerNodeArchitecture(None, 4))
    save_model(tmp_path, bound)
    tables = fine_tuning(str(tmp_path))
    assert fitted(TrainingConfig.from_dict(tables)).architecture.links == "0-1 0-3 1-2 2-3"
    tables["training"]["nodes"] = [5]
    with pytest.raises(InputError, match="does not suit a per_node: its networks are bound to their graph of 4 nodes"):
        fitted(TrainingConfig.from_dict(tables))


def test_fine_tuning_keeps_the_models_mixture_and_trains_it_briefly(tmp_path):
    save_model(tmp_path, dataclasses.replace(TINY, initial_step_size=0.1, clip=0.5))
    config = TrainingConfig.from_dict(fine_tuning(str(tmp_path)))
    assert config == dataclasses.replace(
        TINY, clip=0.5, seed=3, loss="log_area", stages=FINE_TUNING_STAGES, pretrained=str(tmp_path)
    )


def test_what_was_fine_tuned_is_fine_tuned_again(model, tmp_path):
    first, second = fitted(tuned_from(model)), tmp_path / "second"
    save_model(second, seed=4)
    (second / "recipe.toml").write_text(first.to_toml())
    config = fitted(TrainingConfig.from_dict(fine_tuning(str(second))))
    assert config.pretrained == str(second) and config.pretrained_fingerprint != first.pretrained_fingerprint


def test_a_model_is_not_fine_tuned_in_its_own_place(model):
    with pytest.raises(InputError, match="holds the pretrained model"):
        TrainingRun(tuned_from(model), model)


def test_the_card_says_how_weights_were_initialized(model, tmp_path):
    for config, initialization in (
        (tuned_from(model), f"area, `{model}` (fingerprint"),
        (TINY, "log_gap, averaging |"),
    ):
        training = TrainingRun(config, tmp_path / "mine")
        write_card(training)
        text = (tmp_path / "mine" / "card.md").read_text()
        assert f"| loss, initialization | {initialization}" in text
        assert ("began with the weights of" in " ".join(text.split())) == (config is not TINY)
