"""Curricula and imitation in the training of learned local updates."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.driver import run
from gnn_l2o.learned import L2ODMArchitecture, RNNPropArchitecture
from gnn_l2o.local_updates import Adam
from gnn_l2o.training import TrainingConfig
from gnn_l2o.training.batch import Batch
from gnn_l2o.training.curriculum import Verdict, next_horizon, verdict
from gnn_l2o.training.imitation import imitation_loss, teacher_of
from gnn_l2o.training.mixture import fitted
from gnn_l2o.training.pool import Pool
from gnn_l2o.training.stages import Stage
from gnn_l2o.training.trainer import TrainingRun
from tests.training.small_rnnprop import CONFIG

STAY, ADVANCE, STOP = Verdict.CONTINUE, Verdict.ADVANCE, Verdict.STOP


# The curriculum


@pytest.mark.parametrize(
    ("improvements", "expected"),
    [
        ([], STAY),
        ([False], STAY),
        ([False, False], STAY),
        ([False, False, False], STOP),  # patience is out, and nothing was gained
        ([True, False, False], STAY),
        ([True, False, False, False], ADVANCE),
        ([False, False, True, False, False], STAY),
        ([False, False, True, False, False, False], ADVANCE),
        ([True] * 7, STAY),
        ([True] * 8, ADVANCE),  # no more epochs
        ([False, True] * 4, ADVANCE),
    ],
)
def test_a_stage_ends_after_three_epochs_without_improvement(improvements: list[bool], expected: Verdict) -> None:
    assert verdict(improvements, patience=3, epochs=8) is expected


def test_a_stage_is_judged_at_the_next_horizon() -> None:
    horizons = (100, 200, 500)
    assert [next_horizon(horizons, stage, last=1000) for stage in range(3)] == [200, 500, 1000]
    assert [CONFIG.validation_horizon(stage) for stage in (0, 1)] == [8, 8]
    curriculum = dataclasses.replace(CONFIG, patience=1)
    assert [curriculum.validation_horizon(stage) for stage in (0, 1)] == [6, 8]


def scripted(training: TrainingRun, monkeypatch: pytest.MonkeyPatch, values: list[float]) -> list[int]:
    """Let validation find these values; return the list of the horizons at which it is asked."""
    asked: list[int] = []

    def judge() -> float:
        asked.append(training.config.validation_horizon(training.progress.stage))
        return values[len(asked) - 1]

    monkeypatch.setattr(training, "_validate", judge)
    return asked


def test_a_curriculum_goes_on_with_the_best_weights_and_stops_in_vain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = tuple(Stage(1e-2, 2, horizon, 5) for horizon in (2, 4, 6, 8))
    training = TrainingRun(dataclasses.replace(CONFIG, stages=stages, patience=2), tmp_path)
    #         start; stage 1: before, better, worse, worse; stage 2: before, worse, worse
    asked = scripted(training, monkeypatch, [5.0, 5.0, 4.0, 4.5, 4.1, 9.0, 9.5, 9.2])
    restored: list[Any] = []
    original = training._restore_best
    monkeypatch.setattr(training, "_restore_best", lambda: (restored.append(training.progress.stage), original()))
    training.run()
    assert [(p.stage, p.epoch) for p in training.progress.curve] == [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2)]
    assert asked == [4, 4, 4, 4, 4, 6, 6, 6]
    assert restored == [0, 1]
    assert training.progress.best == 9.0  # that of the second stage
    for name, value in training.weights.state_dict().items():
        assert not torch.equal(value, training.best_weights[name])  # what was tried in vain is not what is kept


def test_without_patience_every_stage_has_all_its_epochs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training = TrainingRun(CONFIG, tmp_path)
    scripted(training, monkeypatch, [5.0, *[9.0] * 4])
    training.run()
    assert [(p.stage, p.epoch) for p in training.progress.curve] == [(1, 1), (1, 2), (2, 1), (2, 2)]


def test_a_stage_may_confine_itself_to_the_easiest_problems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stages = (Stage(1e-2, 2, 4, 1, easiest=0.4), Stage(1e-2, 2, 4, 1))
    training = TrainingRun(dataclasses.replace(CONFIG, stages=stages, batch_size=2), tmp_path)
    (members,) = training.pool.groups
    slopes = [float(b.problem.local_gradient(b.x0).mean(dim=0).norm()) for b in members]  # one node each
    easiest = sorted(slopes)[:3]  # 0.4 of 6, rounded up
    seen: list[list[float]] = []
    original = training._train_on

    def note(batch: Batch, stage: Stage) -> float:
        seen.append([float(row.norm()) for row in batch.problem.local_gradient(batch.x0)])
        return original(batch, stage)

    monkeypatch.setattr(training, "_train_on", note)
    training.run()
    assert sorted(map(len, seen[:2])) == [1, 2] and list(map(len, seen[2:])) == [2, 2, 2]
    assert sorted(seen[0] + seen[1]) == pytest.approx(easiest)
    assert sorted(slope for batch in seen[2:] for slope in batch) == pytest.approx(sorted(slopes))
    assert [training.batches_per_epoch(stage) for stage in stages] == [2, 3]
    assert training.total_iterations == training.progress.iterations == 20
    assert "| easiest share |" in (tmp_path / "card.md").read_text()


def test_an_interrupted_curriculum_with_imitation_goes_on_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = (Stage(1e-2, 2, 4, 3, imitation=0.5), Stage(1e-2, 3, 6, 2, imitation=0.5))
    config = dataclasses.replace(
        CONFIG, stages=stages, patience=2, teacher="diffused_adam:step_size=0.01", random_scaling=3.0, batch_size=2
    )
    whole = TrainingRun(config, tmp_path / "whole")
    whole.run()
    calls = 0

    def interrupt(run: TrainingRun) -> None:
        nonlocal calls
        calls += 1
        if calls == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        TrainingRun(config, tmp_path / "parts", report=interrupt).run()
    resumed = TrainingRun(config, tmp_path / "parts", resume=True)
    resumed.run()
    for name, value in whole.weights.state_dict().items():
        assert torch.equal(resumed.weights.state_dict()[name], value)
    assert [p.validation for p in resumed.progress.curve] == [p.validation for p in whole.progress.curve]


# Imitation


def test_the_loss_of_imitation_is_the_distance_between_steps_along_the_teachers_path() -> None:
    batch = Pool(CONFIG, "training", 3, torch.float64).batches(3)[0]
    algorithm = CONFIG.architecture.algorithm(dataclasses.replace(CONFIG, init="random").build())
    teacher = teacher_of("diffused_adam:step_size=0.05", batch.problem)
    states = (
        algorithm.init(batch.problem, batch.network, batch.x0),
        teacher.init(batch.problem, batch.network, batch.x0),
    )
    loss, (_, after) = imitation_loss(algorithm, teacher, batch, states, range(1, 5))
    update, rule = algorithm.make_update(algorithm.weights), Adam(step_size=0.05)
    x, own, theirs = batch.x0, update.init(batch.x0, ((4,),)), rule.init(batch.x0, ((4,),))
    expected = []
    for _ in range(4):
        gradient = batch.problem.local_gradient(x)
        delta, own = update.delta(gradient, x, own)
        label, theirs = rule.delta(gradient, x, theirs)
        expected.append(0.5 * (delta - label).square().sum() / x.numel())
        x = x + label
    torch.testing.assert_close(loss, torch.stack(expected).mean())
    torch.testing.assert_close(after.x, x)
    assert loss.requires_grad


def test_over_a_network_any_method_can_be_the_teacher() -> None:
    config = dataclasses.replace(CONFIG, topology=("ring",), nodes=(5,))
    batch = Pool(config, "training", 2, torch.float64).batches(2)[0]
    teacher = teacher_of("prox_ed:step_size=1", batch.problem)
    path = [s.x for _, s in zip(range(4), run(teacher, batch.problem, batch.network, batch.x0), strict=False)]
    algorithm = config.architecture.algorithm(config.build())
    states = (
        algorithm.init(batch.problem, batch.network, batch.x0),
        teacher.init(batch.problem, batch.network, batch.x0),
    )
    loss, (_, after) = imitation_loss(algorithm, teacher, batch, states, range(1, 4))
    torch.testing.assert_close(after.x, path[3])
    # Weights that are still only mix: the loss is the distance of the teacher's steps from this.
    mixed = [batch.network.mix(x) for x in path[:3]]
    expected = [0.5 * (m - x).square().mean() for m, x in zip(mixed, path[1:], strict=True)]
    torch.testing.assert_close(loss, torch.stack(expected).mean())


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("prox_de", "unknown teacher 'prox_de'; did you mean 'prox_ed'"),
        ("prox_ed:step=1", "unknown parameter of prox_ed: 'step'; did you mean 'step_size'"),
        ("prox_ed:step_size=fast", "step_size of prox_ed is a number, got 'fast'"),
        ("prox_ed:step_size=-1", "prox_ed needs a finite step_size > 0"),
    ],
)
def test_bad_teachers_are_refused(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        fitted(dataclasses.replace(CONFIG, teacher=spec))
    assert "\n" not in str(error.value)


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(InputError, match="there is no teacher"):
        dataclasses.replace(CONFIG, stages=(Stage(1e-2, 2, 4, 2, imitation=0.1),))
    with pytest.raises(InputError, match="random_scaling is for kinds such as rnnprop, not for a milodo"):
        TrainingConfig(dataset=("lasso",), random_scaling=3.0)


def test_imitation_alone_makes_an_lstm_follow_adam(tmp_path: Path) -> None:
    stages = (Stage(1e-2, 10, 20, 25, imitation=1.0),)
    config = dataclasses.replace(
        CONFIG,
        architecture=RNNPropArchitecture(hidden_features=8),
        stages=stages,
        teacher="diffused_adam:step_size=0.05",
        problems=16,
        batch_size=16,
    )
    training = TrainingRun(config, tmp_path)
    batch = Pool(config, "validation", 8, torch.float64).batches(8)[0]
    teacher = teacher_of("diffused_adam:step_size=0.05", batch.problem)

    def cosine() -> float:
        states = [
            training.algorithm.init(batch.problem, batch.network, batch.x0),
            teacher.init(batch.problem, batch.network, batch.x0),
        ]
        cosines = []
        for k in range(1, 21):
            x = states[1].x
            with torch.no_grad():
                own = training.algorithm.step(batch.problem, batch.network, dataclasses.replace(states[0], x=x))
            states = [own, teacher.step(batch.problem, batch.network, states[1])]
            if k > 1:
                cosines.append(torch.nn.functional.cosine_similarity(own.x - x, states[1].x - x, dim=1).mean())
        return float(torch.stack(cosines).mean())

    training.run()
    assert cosine() > 0.95


# Other kinds


def test_l2o_dm_trains_too(tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, architecture=L2ODMArchitecture(hidden_features=4))
    training = TrainingRun(config, tmp_path)
    training.run()
    assert training.progress.best < 0  # the objective has fallen below that of the start
