"""Learned baselines in training: the loss falls, runs are resumed exactly, and what does not suit is refused."""

import dataclasses
import itertools
from typing import Any

import pytest

from gnn_l2o._utils.errors import InputError
from gnn_l2o.learned import load_model
from gnn_l2o.training import Stage, TrainingConfig, TrainingRun
from tests.learned.small_baselines import KINDS, SMALL, SMOOTH
from tests.training.small_training import assert_same_weights, cut_off, weights_of


def training_config(kind: str, **changes: Any) -> TrainingConfig:
    regularized = "linear:features=4,samples=4" if kind in SMOOTH else "lasso:features=4,samples=4"
    config = TrainingConfig(
        dataset=(regularized,),
        topology=("ring",),
        nodes=(4,),
        problems=4,
        validation_problems=2,
        validation_iterations=8,
        batch_size=4,
        stages=(Stage(1e-2, 4, 4, 8),),
        architecture=SMALL[kind],
    )
    return dataclasses.replace(config, **changes)


@KINDS
@pytest.mark.usefixtures("single_precision")
def test_a_moment_of_training_lowers_the_loss(kind: str, tmp_path: Any) -> None:
    training = TrainingRun(training_config(kind), tmp_path)
    training.run()
    losses = [point.loss for point in training.progress.curve]
    assert losses[-1] < losses[0] - 5e-4
    assert type(load_model(tmp_path)) is type(training.algorithm)


@KINDS
@pytest.mark.usefixtures("single_precision")
def test_a_killed_run_resumes_bit_for_bit(kind: str, tmp_path: Any) -> None:
    config = training_config(kind, stages=(Stage(1e-2, 2, 4, 2),), batch_size=2)
    whole = TrainingRun(config, tmp_path / "whole")
    whole.run()
    calls = itertools.count()
    resumed = cut_off(config, tmp_path / "cut", when=lambda _: next(calls) == 3)
    assert 0 < resumed.progress.iterations < whole.progress.iterations
    resumed.run()
    assert_same_weights(weights_of(resumed), weights_of(whole))


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("per_node", {"topology": ("erdos_renyi",), "nodes": (8,)}, "does not suit a per_node: its networks are bound"),
        ("per_node", {"nodes": (4, 5)}, "this is another one, or a part of it, of 5 nodes and 5 links"),
        ("base_rules", {"dataset": ("lasso:features=4",)}, "does not suit a base_rules: the base rules are for smooth"),
        (
            "matrix_milodo",
            {"dataset": ("lasso:features=4",)},
            "does not suit a matrix_milodo: .* expected no regularizer",
        ),
        ("lpg_extra", {"validation_iterations": 13}, "of depth 12 runs no more iterations than that; .* ask for 13"),
    ],
)
def test_mixtures_that_do_not_suit_are_refused(kind: str, changes: dict[str, Any], message: str, tmp_path: Any) -> None:
    with pytest.raises(InputError, match=message):
        TrainingRun(training_config(kind, **changes), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("generic_l2o", {"initial_step_size": 0.1}, "a generic_l2o has no initial_step_size, got 0.1"),
        ("learned_scalars", {"initial_step_size": 0.9}, "initial_step_size lies between 0 and 0.8, got 0.9"),
        ("lpg_extra", {"init": "special"}, r"unknown init of a lpg_extra 'special'"),
    ],
)
def test_starts_that_a_kind_does_not_know_are_refused(kind: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        training_config(kind, **changes)
