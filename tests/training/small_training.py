"""A short training of a small MiLoDo on lassos and logistic regressions, and what runs are compared by."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gnn_l2o.learned import MiLoDoArchitecture
from gnn_l2o.training import Stage, TrainingConfig, TrainingRun, read_recipe

TINY = TrainingConfig(
    dataset=("lasso:features=6,samples=4", "logistic:features=5,samples=6"),
    topology=("ring", "star"),
    nodes=(3, 5),
    problems=6,
    validation_problems=3,
    validation_iterations=15,
    batch_size=3,
    loss="log_gap",
    ema=0.5,
    stages=(Stage(1e-2, 3, 6, 2), Stage(1e-3, 4, 4, 1)),
    architecture=MiLoDoArchitecture(hidden_features=4, warmup=3),
)


PAPER = dataclasses.replace(
    TINY,
    dataset=("lasso:features=6,samples=4,l1_weight=0",),
    architecture=MiLoDoArchitecture(
        parametrization="paper", symmetrize="mean", hidden_features=4, warmup=0, recompute_every=1
    ),
    init="special",
    loss="objective",
    stages=(Stage(1e-3, 5, 40, 1),),
)


class Killed(BaseException):
    """Stands for the signal: nothing in the library catches it."""


def cut_off(config: TrainingConfig, folder: Path, *, when: Callable[[TrainingRun], bool]) -> TrainingRun:
    """Kill a run where a condition first holds after a batch or an epoch; return it, resumed from its own recipe."""

    def kill(training: TrainingRun) -> None:
        if when(training):
            raise Killed

    with pytest.raises(Killed):
        TrainingRun(config, folder, report=kill, checkpoint_seconds=0).run()
    return TrainingRun(read_recipe(folder / "recipe.toml"), folder, resume=True)


def weights_of(run: TrainingRun) -> dict[str, torch.Tensor]:
    return run.weights.state_dict()


def assert_same_weights(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
