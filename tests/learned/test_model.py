import json

import pytest
import safetensors.torch
import torch
from torch import nn

from gnn_l2o._utils.errors import InputError
from gnn_l2o.learned import MiLoDoArchitecture, available_models, load_model, read_architecture, save_weights
from gnn_l2o.learned.model import METADATA
from gnn_l2o.training import TrainingConfig

ARCHITECTURE = MiLoDoArchitecture(hidden_features=4, warmup=3)


@pytest.fixture
def folder(tmp_path):
    """A model with random weights."""
    config = TrainingConfig(dataset=("lasso",), architecture=ARCHITECTURE)
    (tmp_path / "recipe.toml").write_text(config.to_toml())
    save_weights(tmp_path, ARCHITECTURE.build(), ARCHITECTURE)
    return tmp_path


def test_a_saved_model_comes_back(folder):
    preconditioner = ARCHITECTURE.build().float()
    save_weights(folder, preconditioner, ARCHITECTURE)
    model = load_model(folder)
    assert (model.name, model.schedule.warmup, model.source.directed) == (folder.name, 3, False)
    for name, value in preconditioner.state_dict().items():
        assert torch.equal(model.source.state_dict()[name].float(), value), name
    assert not [p for p in folder.iterdir() if p.name.startswith(".")]  # no temporary file is left


def test_every_shipped_model_loads_and_is_small():
    assert "milodo_gnn" in available_models()
    for name in available_models():
        (weights,) = (part for part in vars(load_model(name)).values() if isinstance(part, nn.Module))
        assert all(p.isfinite().all() for p in weights.parameters())
        assert sum(p.numel() for p in weights.parameters()) * 4 < 5e6  # base_rules, of the paper's size: 7.2e6


def test_an_unknown_model_is_refused_with_the_nearest():
    with pytest.raises(InputError, match=r"unknown model 'milodo_gn'; did you mean 'milodo_gnn'\?"):
        load_model("milodo_gn")


def test_a_folder_without_a_recipe_is_refused(folder):
    (folder / "recipe.toml").unlink()
    with pytest.raises(InputError, match=r"holds no recipe\.toml"):
        load_model(folder)


def test_an_unreadable_recipe_is_refused(folder):
    (folder / "recipe.toml").write_text("[architecture")
    with pytest.raises(InputError, match="cannot be read"):
        load_model(folder)


def test_missing_weights_are_refused(folder):
    (folder / "weights.safetensors").unlink()
    with pytest.raises(InputError, match="no weights file"):
        load_model(folder)


def test_corrupt_weights_are_refused(folder):
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(InputError, match="is corrupt"):
        load_model(folder)


def test_foreign_weights_are_refused(folder):
    safetensors.torch.save_file({"weight": torch.zeros(3)}, folder / "weights.safetensors")
    with pytest.raises(InputError, match=r"was not written by gnn-l2o"):
        load_model(folder)


@pytest.mark.parametrize("metadata", ["{", "[]", "[" * 10_000, '{"kind": 3}', '{"hidden_features": "4"}', "NaN"])
def test_weights_that_say_something_else_of_themselves_are_refused(folder, metadata):
    path = folder / "weights.safetensors"
    safetensors.torch.save_file(safetensors.torch.load_file(path), path, {METADATA: metadata})
    with pytest.raises(InputError, match=f"^{path} is corrupt: {METADATA}: "):
        load_model(folder)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("architecture = 3", "[architecture] is a table of settings, got 3"),
        ("[architecture]\nhidden_features = 100000000", "the weights of this milodo would take about 7.45e+08 GiB"),
        (f"a = {'[' * 10_000}", "its lists or tables are nested too deeply"),
        ("a = ", "cannot be read: "),
    ],
)
def test_recipes_that_say_something_else_are_refused(folder, recipe, message):
    (folder / "recipe.toml").write_text(recipe)
    with pytest.raises(InputError) as error:
        load_model(folder)
    assert message in str(error.value)


def test_weights_of_another_architecture_are_refused(folder):
    other = MiLoDoArchitecture(hidden_features=5, warmup=3)
    save_weights(folder, other.build(), other)
    with pytest.raises(InputError, match="another architecture than its recipe: hidden_features 5 instead of 4"):
        load_model(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda weight: None, "does not fit its architecture"),
        (lambda weight: torch.zeros(7, dtype=torch.float32), "does not fit its architecture"),
        (lambda weight: weight * torch.nan, "holds the weight nan in NAME; expected at most 1e"),
        (lambda weight: weight - torch.inf, "holds the weight -inf in NAME"),
        (lambda weight: torch.full_like(weight, -3e38), r"holds the weight -3e\+38 in NAME"),
        (lambda weight: weight.double(), r"holds NAME as torch.float64; expected torch.float32, as train_gnn.py"),
        (lambda weight: weight.to(torch.float8_e4m3fn), "holds NAME as torch.float8_e4m3fn; expected torch.float32"),
        (lambda weight: weight.long(), "holds NAME as torch.int64; expected torch.float32"),
    ],
)
def test_weights_that_do_not_fit_are_refused(folder, change, message):
    path = folder / "weights.safetensors"
    tensors = safetensors.torch.load_file(path)
    name = next(iter(tensors))
    changed = change(tensors.pop(name))
    if changed is not None:
        tensors[name] = changed
    safetensors.torch.save_file(tensors, path, {METADATA: json.dumps(ARCHITECTURE.to_dict())})
    with pytest.raises(InputError, match=message.replace("NAME", name)):
        load_model(folder)


def test_a_copy_in_another_precision_leaves_the_model_as_it_is():
    for name in ("milodo_gnn", "generic_l2o"):
        model = load_model(name)
        copied = model.to(dtype=torch.float32)
        weights, others = (next(p for p in vars(m).values() if isinstance(p, nn.Module)) for m in (model, copied))
        assert {p.dtype for p in weights.parameters()} == {torch.float64}  # the default of the tests
        assert {p.dtype for p in others.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("read", "table", "message"),
    [
        (read_architecture, {"cycle": 3, "chebyshev_steps": 1}, "cycle is the former name of chebyshev_steps"),
        (
            TrainingConfig.from_dict,
            {"training": {"dataset": ["lasso"], "lr_init": 0.1, "initial_step_size": 0.2}},
            "lr_init is the former name of initial_step_size",
        ),
    ],
)
def test_a_setting_is_not_given_under_two_names(read, table, message):
    with pytest.raises(InputError, match=f"{message}, which is given too; leave one out"):
        read(table)


def test_no_file_that_a_model_names_is_executed(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(f"open({str(tmp_path / 'executed')!r}, 'w')\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"^unknown learned optimizer '.*mine\.py'"):
        read_architecture({"kind": str(file)})
    assert not (tmp_path / "executed").exists()
