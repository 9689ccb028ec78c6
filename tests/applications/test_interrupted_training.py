"""A training of a module that is interrupted goes on to the same numbers."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from gnn_l2o._utils.errors import InputError
from gnn_l2o.applications.module_training import Progress
from gnn_l2o.handcrafted import ProxED
from gnn_l2o.problems.regularizers import L1
from tests.applications.small_training import TEST, Classifier, session, shards, train


class Interrupted(Exception):
    pass


def interrupt_at(iteration: int) -> Any:
    def callback(progress: Progress) -> None:
        if progress.iteration == iteration:
            raise Interrupted

    return callback


@pytest.mark.parametrize(
    ("optimizer", "parameters"),
    [
        ("milodo_mlp", None),
        ("milodo_gnn", None),
        ("dinno_adam", {"step_size": 0.1, "penalty": 0.1, "local_steps": 2}),
        (ProxED(0.2), None),
    ],
    ids=str,
)
def test_an_interrupted_training_goes_on_to_the_same_numbers(optimizer: Any, parameters: Any, tmp_path: Path) -> None:
    settings = {"optimizer": optimizer, "parameters": parameters, "iterations": 20, "measure_every": 7}
    expected = train(**settings)
    with pytest.raises(Interrupted):
        train(**settings, checkpoint=tmp_path / "run.pt", callback=interrupt_at(14))
    trained = train(**settings, checkpoint=tmp_path / "run.pt")
    assert torch.equal(trained.parameters, expected.parameters)
    assert trained.history == expected.history and trained.iteration == 20
    assert [path.name for path in tmp_path.iterdir()] == ["run.pt"]


def test_another_processor_which_rounds_differently_goes_on(tmp_path: Path) -> None:
    for k in range(2):
        optimizer = ProxED(0.2 * (1 + 1e-14 * k))
        train(optimizer=optimizer, parameters=None, iterations=10 + 10 * k, checkpoint=tmp_path / "run.pt")


def test_a_training_is_interrupted_at_its_beginning_or_after_its_end(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        train(iterations=9, checkpoint=tmp_path / "run.pt", callback=interrupt_at(0))
    expected = train(iterations=9)
    for _ in range(2):
        trained = train(iterations=9, checkpoint=tmp_path / "run.pt")
        assert torch.equal(trained.parameters, expected.parameters) and trained.history == expected.history


def test_early_stopping_goes_on_too(tmp_path: Path) -> None:
    random = TEST[0], torch.randint(3, (20,))
    settings = {"test": random, "measure_every": 2, "patience": 4, "iterations": 100}
    expected = train(**settings)
    with pytest.raises(Interrupted):
        train(**settings, checkpoint=tmp_path / "run.pt", callback=interrupt_at(expected.history[-2].iteration))
    for _ in range(2):  # goes on, and then has nothing to do
        trained = train(**settings, checkpoint=tmp_path / "run.pt")
        assert trained.history == expected.history and trained.iteration == expected.iteration
        assert torch.equal(trained.parameters, expected.parameters)


def test_samples_are_compared_to_the_last_digit(tmp_path: Path) -> None:
    train(iterations=10, checkpoint=tmp_path / "run.pt")
    changed = shards()
    features = changed[0][0].view(-1)
    features[features.abs().argmin()] += 2e-8
    with pytest.raises(InputError, match="another set of samples;"):
        train(shards=changed, iterations=20, checkpoint=tmp_path / "run.pt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 2}, "begun with another batch_size or seed;"),
        ({"module": Classifier}, "another module or seed;"),
        ({"batch_size": 3}, "another batch_size or seed;"),
        ({"shards": shards(seed=3)}, "another set of samples;"),
        ({"network": "star"}, "another network;"),
        ({"loss": nn.CrossEntropyLoss()}, "another loss;"),
        ({"optimizer": ProxED(0.2), "parameters": None}, "another optimizer;"),
        ({"regularizer": L1(0.1)}, "another regularizer;"),
        ({"iterations": 19}, "has taken 20 iterations, got iterations=19"),
    ],
)
def test_a_checkpoint_is_of_one_training(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    module = Classifier()
    train(module, iterations=20, checkpoint=tmp_path / "run.pt")
    with pytest.raises(InputError, match=message):
        train(**{"module": module, "iterations": 20, **change}, checkpoint=tmp_path / "run.pt")


def test_a_training_is_prolonged(tmp_path: Path) -> None:
    train(iterations=20, checkpoint=tmp_path / "run.pt")
    assert torch.equal(train(iterations=30, checkpoint=tmp_path / "run.pt").parameters, train(iterations=30).parameters)


def test_other_files_are_no_checkpoints(tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("hello")
    torch.save({"a": 1}, tmp_path / "other.pt")
    for name, message in (("text.pt", "cannot be read"), ("other.pt", "is no checkpoint of train_module")):
        with pytest.raises(InputError, match=message):
            train(checkpoint=tmp_path / name)


def test_a_state_names_only_classes_that_are_loaded() -> None:
    ours = session()
    content = ours.state_dict()
    for name in ("antigravity:Fly", "os:system", "builtins:dict"):
        with pytest.raises(InputError, match=r"there is no class|cannot be loaded"):
            ours.load_state_dict({**content, "state": {"class": name, "fields": {}}})
