"""Training a module over a network of nodes: what comes out, and the loop."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parameters_to_vector
from torch.utils.data import DataLoader, TensorDataset

from gnn_l2o.applications.module_training import Progress
from gnn_l2o.handcrafted import ProxED
from tests.applications.small_training import TEST, assert_equal, session, shards, train


def test_a_module_is_trained() -> None:
    told: list[Progress] = []
    trained = train(test=TEST, measure_every=25, callback=told.append)
    assert [p.iteration for p in trained.history] == [0, 25, 50, 60] and trained.iteration == 60
    assert told == trained.history
    assert trained.history[-1].loss < 0.9 * trained.history[0].loss
    assert trained.parameters.shape == (4, 27)
    mean = trained.parameters.mean(dim=0)
    assert torch.equal(parameters_to_vector(trained.module.parameters()), mean)
    with torch.no_grad():
        losses = [F.cross_entropy(trained.module(f.float()), t) for f, t in shards()]
    assert trained.history[-1].loss == pytest.approx(float(torch.stack(losses).mean()), rel=1e-5)
    deviation = ((trained.parameters - mean).square().sum(dim=1).mean().sqrt() / mean.norm()).item()
    assert trained.history[-1].consensus == pytest.approx(deviation, rel=1e-4)


def test_the_average_is_judged_on_test_samples() -> None:
    trained = train(test=TEST)
    with torch.no_grad():
        outputs = trained.module(TEST[0].float())
    assert trained.history[-1].accuracy == pytest.approx(float((outputs.argmax(dim=1) == TEST[1]).float().mean()))
    assert trained.history[-1].test_loss == pytest.approx(F.cross_entropy(outputs, TEST[1]).item(), rel=1e-5)
    assert "accuracy" in str(trained.history[-1])


def test_of_targets_that_are_no_classes_only_the_loss_is_measured() -> None:
    values = [(f, f[:, :1].sin()) for f, _ in shards()]
    trained = train(lambda: nn.Linear(4, 1), F.mse_loss, shards=values, test=(TEST[0], TEST[0][:, :1].sin()))
    with torch.no_grad():
        expected = (trained.module(TEST[0].float()) - TEST[0][:, :1].sin()).square().mean()
    assert trained.history[-1].test_loss == pytest.approx(float(expected), rel=1e-5)
    assert trained.history[-1].accuracy is None and "accuracy" not in str(trained.history[-1])


def test_every_node_has_a_module_of_its_own() -> None:
    trained = train()
    for module, row in zip(trained.node_modules, trained.parameters, strict=True):
        assert torch.equal(parameters_to_vector(module.parameters()), row) and not module.training
    assert not torch.equal(trained.parameters[0], trained.parameters[1])


def test_training_follows_the_seed_and_leaves_torchs_stream_alone() -> None:
    loaders = [DataLoader(TensorDataset(*pair), batch_size=3, shuffle=True) for pair in shards()]
    first, other = train(shards=loaders), train(shards=loaders, seed=2)
    torch.manual_seed(7)
    before = torch.get_rng_state()
    again = train(shards=loaders)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.parameters, again.parameters)
    assert not torch.equal(first.parameters, other.parameters)


@pytest.mark.parametrize("optimizer", ["milodo_mlp", "milodo_gnn", "ed", ProxED(0.2)])
def test_any_optimizer_trains_a_module(optimizer: Any) -> None:
    parameters = {"step_size": 0.2} if optimizer == "ed" else None
    history = train(optimizer=optimizer, parameters=parameters, batch_size=None, iterations=40).history
    assert history[-1].loss < 0.95 * history[0].loss


def test_a_session_is_a_loop_that_can_be_left_and_taken_up_again() -> None:
    ours = session(test=TEST)
    assert ours.iteration == 0
    for iteration in ours:
        assert iteration == ours.iteration
        if iteration == 4:
            break
    assert list(ours) == [5, 6, 7, 8, 9]
    expected = train(iterations=9, seed=0, test=TEST)
    assert torch.equal(ours.parameters, expected.parameters)
    assert ours.measure() == expected.history[-1]
    assert_equal(ours.module().state_dict(), expected.module.state_dict())
    assert torch.is_grad_enabled() and not ours.parameters.requires_grad


def test_a_callback_that_returns_false_ends_training() -> None:
    trained = train(measure_every=10, callback=lambda progress: progress.iteration < 20)
    assert [p.iteration for p in trained.history] == [0, 10, 20] and trained.iteration == 20
    assert train(measure_every=30, callback=lambda progress: None).iteration == 60


def test_early_stopping_returns_the_parameters_with_the_smallest_test_loss() -> None:
    random = TEST[0], torch.randint(3, (20,))  # nothing can be learned of these
    trained = train(test=random, measure_every=2, patience=4, iterations=100)
    losses = [p.test_loss for p in trained.history if p.test_loss is not None]
    best = losses.index(min(losses))
    assert len(losses) == best + 5 and trained.iteration == 2 * best < 90
    with torch.no_grad():
        assert F.cross_entropy(trained.module(random[0].float()), random[1]).item() == pytest.approx(
            min(losses), rel=1e-5
        )


def test_a_progress_bar_shows_the_last_measurement(capsys: pytest.CaptureFixture[str]) -> None:
    plain = train(measure_every=30)
    assert capsys.readouterr() == ("", "")
    shown = train(measure_every=30, progress_bar=True)
    printed = capsys.readouterr()
    assert torch.equal(shown.parameters, plain.parameters)
    assert printed.out == "" and "100%" in printed.err and "iteration 30: loss" in printed.err
    assert math.isfinite(shown.history[-1].loss)
