"""Training runs: the loss falls, the best weights are kept, and what diverges is rolled back or an error."""

import contextlib
import dataclasses
import math

import pytest
import torch
from safetensors.torch import load_file

from gnn_l2o._utils.errors import InputError
from gnn_l2o.learned import load_model
from gnn_l2o.training import Stage, TrainingRun
from gnn_l2o.training.denormals import denormals_are_flushed
from gnn_l2o.training.losses import LogOptimalityGap
from gnn_l2o.training.rollout import validate
from tests.training.small_training import PAPER, TINY, assert_same_weights, weights_of

pytestmark = pytest.mark.usefixtures("single_precision")


@pytest.mark.usefixtures("drawn_curves")
def test_training_lowers_the_loss_and_saves_the_best_weights(tmp_path):
    config = dataclasses.replace(TINY, stages=(Stage(2e-2, 6, 6, 10),))
    training = TrainingRun(config, tmp_path)
    training.run()
    curve = training.progress.curve
    assert curve[-1].loss < curve[0].loss - 0.05
    assert training.progress.best == min(p.validation for p in curve) < math.inf
    loaded = load_model(tmp_path)
    assert_same_weights(loaded.source.state_dict(), training.best_weights)
    again = validate(loaded, training.validation, 15, LogOptimalityGap())
    torch.testing.assert_close(again, training.progress.best, rtol=0, atol=1e-6)
    assert (tmp_path / "curve.png").stat().st_size > 10_000  # an empty one has fewer
    assert len((tmp_path / "curve.csv").read_text().splitlines()) == len(curve) + 1


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("diverges", [False, True])
def test_denormal_numbers_are_computed_as_before_after_training(tmp_path, monkeypatch, before, diverges):
    seen = []

    def train_on(training, *_):
        seen.append(denormals_are_flushed())
        training.progress.updates += 1 - diverges
        return math.nan if diverges else 0.0

    monkeypatch.setattr(TrainingRun, "_train_on", train_on)
    torch.set_flush_denormal(before)
    try:
        with pytest.raises(InputError) if diverges else contextlib.nullcontext():
            TrainingRun(TINY, tmp_path).run()
        assert denormals_are_flushed() == before
    finally:
        torch.set_flush_denormal(False)
    assert seen and all(seen) == torch.set_flush_denormal(False)  # which says whether the CPU can flush them


def test_divergence_rolls_the_weights_back_and_halves_the_learning_rate(tmp_path):
    training = TrainingRun(PAPER, tmp_path)
    good = {k: v.clone() for k, v in weights_of(training).items()}
    training.weights.emit_exact_diffusion(100.0)  # with such steps every problem diverges
    stage = training.config.stages[0]
    batch = training.pool.batches(3)[0]
    for _ in range(9):
        training._train_on(batch, stage)
    assert training.progress.rollbacks == 0
    training._train_on(batch, stage)
    assert training.progress.rollbacks == 1
    assert_same_weights(weights_of(training), good)
    training._train_on(batch, stage)
    assert training.optimizer.param_groups[0]["lr"] == stage.lr / 2


@pytest.mark.parametrize(
    ("loss", "best", "found", "rolled_back"),
    [
        ("objective", -1.0, math.inf, True),
        ("objective", -1.0, 1.0, False),
        ("area", -1.0, -0.8, True),
        ("area", -1.0, -0.95, False),
        ("area", math.inf, math.inf, False),
    ],
)
def test_weights_that_got_much_worse_in_validation_are_rolled_back(
    tmp_path, monkeypatch, loss, best, found, rolled_back
):
    training = TrainingRun(dataclasses.replace(PAPER, loss=loss), tmp_path)
    good = {k: v.clone() for k, v in weights_of(training).items()}
    training.progress.best, training.progress.losses, training.progress.updates = best, [0.0], 1
    training.weights.emit_exact_diffusion(100.0)
    bad = {k: v.clone() for k, v in weights_of(training).items()}
    monkeypatch.setattr(training, "_validate", lambda: found)
    training._finish_epoch()
    assert training.progress.rollbacks == rolled_back
    assert_same_weights(weights_of(training), good if rolled_back else bad)


@pytest.mark.parametrize("ema", [0.0, 0.75])
def test_what_is_judged_and_saved_is_the_moving_average(tmp_path, ema):
    training = TrainingRun(dataclasses.replace(TINY, ema=ema), tmp_path)
    batch = training.pool.batches(3)[0]
    mean = None
    for _ in range(3):
        training._train_on(batch, Stage(1e-2, 6, 6, 1))  # one update
        now = {name: value.clone() for name, value in weights_of(training).items()}
        mean = now if mean is None else {name: ema * mean[name] + (1 - ema) * value for name, value in now.items()}
    training.progress.losses = [0.0]
    training._finish_epoch()
    torch.testing.assert_close(training.best_weights, mean)
    torch.testing.assert_close(load_file(tmp_path / "weights.safetensors"), mean)
    assert (training.weights.node.lstm.outer.bias == training.judged.source.node.lstm.outer.bias).all() == (ema == 0)


@pytest.mark.parametrize(
    ("loss", "why"),
    [
        (math.nan, r"every run diverged; expected another initialization \(init\) or a smaller initial_step_size"),
        (0.5, r"no batch gave a finite gradient; expected a shorter truncation_length or a smaller initial_step_size"),
    ],
)
def test_an_epoch_without_an_update_is_an_error(tmp_path, monkeypatch, loss, why):
    def train_on(training, *_):
        training.progress.updates += training.progress.stage == 0 and training.progress.epoch == 0
        return loss if training.progress.epoch else 0.0

    monkeypatch.setattr(TrainingRun, "_train_on", train_on)
    with pytest.raises(InputError, match=f"^epoch 2 of stage 1 ended without an update: {why}$"):
        TrainingRun(TINY, tmp_path).run()


def test_an_update_without_a_finite_gradient_changes_nothing(tmp_path):
    training = TrainingRun(TINY, tmp_path)
    before = {k: v.clone() for k, v in weights_of(training).items()}
    bad = sum(p.sum() for p in training.weights.parameters()) * math.nan
    assert not training._update(bad, TINY.stages[0])
    assert_same_weights(weights_of(training), before)
