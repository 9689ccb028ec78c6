"""Configurations, recipes and stages: read as they are written, and refused where they are wrong."""

import dataclasses
import json
import math

import pytest
import torch

from gnn_l2o._utils.errors import InputError
from gnn_l2o.learned import LPGExtraArchitecture, MiLoDoArchitecture, PerNodeArchitecture, available_models
from gnn_l2o.learned.model import model_folder, model_recipe, read_architecture
from gnn_l2o.training import (
    DEFAULT_ARCHITECTURE,
    DEFAULT_STAGES,
    PAPER_STAGES,
    LayerwiseConfig,
    TrainingConfig,
    config_of,
    read_recipe,
    read_stages,
)
from gnn_l2o.training.pretrained import weights_fingerprint
from gnn_l2o.training.stages import GENERAL_STAGES
from tests.training.small_training import TINY, assert_same_weights

pytestmark = pytest.mark.usefixtures("single_precision")


def test_a_recipe_says_all_and_is_read_back(tmp_path):
    config = dataclasses.replace(TINY, initial_step_size=0.07, seed=5)
    (tmp_path / "recipe.toml").write_text(config.to_toml())
    assert read_recipe(tmp_path / "recipe.toml") == config


def test_the_stages_of_the_paper_in_the_references_format(tmp_path):
    path = tmp_path / "stages.json"
    path.write_text(json.dumps([dataclasses.asdict(stage) for stage in PAPER_STAGES]))
    assert read_stages(path) == PAPER_STAGES
    lengths = [(s.truncation_length, s.iterations) for s in PAPER_STAGES]
    assert lengths == [(5, 10), (10, 20), (20, 40), (40, 80), (20, 100)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "non-empty list"),
        ('[{"lr": 0.1, "truncation_length": 5, "iterations": 10}]', "the stage setting epochs is missing"),
        ('[{"lr": 0.1, "truncation": 5}]', "unknown stage setting 'truncation'; did you mean 'truncation_length'?"),
        ('[{"lr": 0.1, "truncation_length": 4, "iterations": 10, "epochs": 1}]', "multiple of its truncation_length"),
        ('[{"lr": "0.1", "truncation_length": 5, "iterations": 10, "epochs": 1}]', "lr is a number, got '0.1'"),
        ('[{"lr": 0.1, "truncation_length": 5, "iterations": 10, "epochs": 0}]', "epochs is at least 1, got 0"),
    ],
)
def test_bad_stages_are_refused(tmp_path, text, message):
    path = tmp_path / "stages.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_stages(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"problems": 0}, "problems is at least 1, got 0"),
        ({"loss": "gap"}, "unknown loss 'gap'; did you mean 'log_gap'?"),
        ({"clip": 0.0}, "clip is positive, got 0.0"),
        ({"clip": math.nan}, "clip is positive, got nan"),
        ({"ema": 1.0}, "ema is less than 1, got 1.0"),
        ({"ema": math.nan}, "ema is a finite number, got nan"),
        ({"weight_decay": -0.1}, "weight_decay is at least 0, got -0.1"),
        ({"weight_decay": math.inf}, "weight_decay is a finite number, got inf"),
        ({"initial_step_size": math.nan}, "initial_step_size is a finite number, got nan"),
        ({"seed": -1}, "seed is at least 0, got -1"),
        ({"seed": 1.5}, "seed is a whole number, got 1.5"),
        ({"batch_size": 2.5}, "batch_size is a whole number, got 2.5"),
        ({"batch_size": True}, "batch_size is a whole number, got True"),
        ({"problems": "many"}, "problems is a whole number, got 'many'"),
        ({"mixing": 3}, "mixing is a text, got 3"),
        ({"dataset": "lasso"}, r"""dataset is a list, got 'lasso'; expected dataset = \["lasso"\]"""),
        ({"nodes": 10}, r"nodes is a list, got 10; expected nodes = \[10\]"),
        ({"nodes": [10, 5.0]}, r"nodes\[1\] is a whole number, got 5.0"),
        ({"topology": []}, r"topology is a list that is not empty, got \[\]"),
        ({"dataset": ["lasso", 3]}, r"dataset\[1\] is a text, got 3"),
        ({"stages": ()}, "stages is a list that is not empty"),
        ({"stages": ({"lr": 0.1},)}, r"stages\[0\]: the stage setting truncation_length is missing"),
        ({"stages": (3,)}, r"stages\[0\]: .*, got 3"),
        ({"architecture": "milodo"}, "architecture is a table of settings, got 'milodo'"),
        ({"faults": ("drp=0.1",)}, "unknown fault 'drp'; did you mean 'drop'?"),
        ({"gradient_samples": 0}, "gradient_samples is at least 1, got 0"),
        ({"initial_step_size": 1.5}, "initial_step_size lies between 0 and 0.8, got 1.5"),
    ],
)
def test_bad_settings_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(TINY, **change)


def test_unknown_settings_of_a_recipe_are_refused():
    with pytest.raises(
        InputError, match=r"unknown milodo architecture setting 'hidden'; did you mean 'hidden_features'\?"
    ):
        TrainingConfig.from_dict({"architecture": {"hidden": 3}, "training": {"dataset": ["lasso"]}})
    with pytest.raises(InputError, match=r"unknown training setting 'problem'; did you mean 'problems'\?"):
        TrainingConfig.from_dict({"training": {"dataset": ["lasso"], "problem": 3}})
    with pytest.raises(InputError, match=r"unknown table of a recipe 'trainin'; did you mean 'training'\?"):
        TrainingConfig.from_dict({"trainin": {"dataset": ["lasso"]}})
    with pytest.raises(InputError, match=r"\[training\] is a table of a recipe, got training = 3"):
        TrainingConfig.from_dict({"training": 3})
    with pytest.raises(InputError, match="architecture is a table of its own"):
        TrainingConfig.from_dict({"training": {"dataset": ["lasso"], "architecture": {}}})
    with pytest.raises(InputError, match=r"no \[training\] dataset"):
        TrainingConfig.from_dict({"architecture": {}})


@pytest.mark.parametrize("name", available_models())
def test_recipes_of_released_models_are_read_as_they_are_written(name):
    tables = model_recipe(model_folder(name))
    config = config_of(tables)
    written = config.to_dict()
    assert written["architecture"] == tables["architecture"]
    if isinstance(config, LayerwiseConfig):
        assert written["training"] == tables["training"]
        return
    # Recipes before version 0.4 had no ema: the last weights were taken.
    assert written["training"] == {"ema": 0.0, **tables["training"]}
    if config.pretrained is not None:
        assert weights_fingerprint(config.build()) == config.pretrained_fingerprint


def test_settings_of_earlier_versions_are_read():
    older = {"dataset": ["lasso"], "lr_init": 0.1, "init": "averaging"}
    assert TrainingConfig.from_dict({"training": older}).initial_step_size == 0.1
    older = {"dataset": ["lasso"], "start_from": "milodo_gnn", "start_fingerprint": "0"}
    config = TrainingConfig.from_dict({"training": older})
    assert (config.pretrained, config.pretrained_fingerprint) == ("milodo_gnn", "0")
    assert TrainingConfig.from_dict({"training": {"dataset": ["lasso"], "init": "scouted"}}).init == "grid_search"
    older = {"cycle": 3, "direct": False, "edge_gains": "edge", "refresh_every": 5}
    architecture = TrainingConfig.from_dict({"architecture": older, "training": {"dataset": ["lasso"]}}).architecture
    expected = {"chebyshev_steps": 3, "skip_connection": False, "edge_weights": "edge", "recompute_every": 5}
    assert architecture == MiLoDoArchitecture(**expected)


def test_there_is_one_set_of_defaults():
    config = TrainingConfig(dataset=("lasso",))
    assert config == TrainingConfig.from_dict({"training": {"dataset": ["lasso"]}})
    assert config.architecture == DEFAULT_ARCHITECTURE
    assert (config.loss, config.batch_size, config.ema, config.stages) == ("log_area", 6, 0.98, DEFAULT_STAGES)
    other = TrainingConfig(dataset=("lasso",), architecture=PerNodeArchitecture())
    assert (other.loss, other.batch_size, other.ema, other.stages) == ("log_gap", 16, 0.0, GENERAL_STAGES)


@pytest.mark.parametrize("kind", ["base_rules", "generic_l2o", "l2o_scale", "matrix_milodo", "per_node", "twin_l2o"])
def test_where_networks_run_in_every_iteration_few_of_them_are_kept_in_memory(kind):
    config = TrainingConfig(dataset=("lasso",), architecture=read_architecture({"kind": kind}))
    assert all(stage.truncation_length <= 25 < stage.iterations for stage in config.stages)


@pytest.mark.parametrize("depth", [1, 30, 2000])
def test_layers_with_their_own_numbers_are_trained_for_as_many_iterations(depth):
    config = TrainingConfig(dataset=("lasso",), architecture=LPGExtraArchitecture(depth=depth))
    assert config.validation_iterations == min(1000, depth)
    horizons = [stage.iterations for stage in config.stages]
    assert horizons == sorted(horizons) and horizons[-1] == depth


def test_the_bound_on_gradients_may_be_none():
    assert dataclasses.replace(TINY, clip=math.inf).clip == math.inf


@pytest.mark.parametrize("init", ["averaging", "random"])
def test_building_weights_leaves_torchs_random_numbers_alone(init):
    config = dataclasses.replace(TINY, init=init)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second = config.build(), config.build()
    assert torch.equal(torch.rand(3), expected)
    assert_same_weights(first.state_dict(), second.state_dict())
    # The weights of a seed are those that torch draws after it.
    torch.manual_seed(config.seed)
    weights = config.architecture.build()
    config.architecture.initialize(weights, init, None)
    assert_same_weights(first.state_dict(), weights.state_dict())
