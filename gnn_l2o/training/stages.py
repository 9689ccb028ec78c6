"""Stages of training, and the sequences of them that training follows if no other is given."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Protocol, TypeVar

from pydantic import Field

from gnn_l2o._utils.errors import InputError
from gnn_l2o.training.settings import PositiveInt, settings


class HasLearningRate(Protocol):
    """A stage of any kind; it is a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def lr(self) -> float: ...


AnyStage = TypeVar("AnyStage", bound=HasLearningRate)


@settings("stage setting")
class Stage:
    """One stage of truncated back-propagation through time, (K_T, K) in the words of He et al. 2024, Section 5.

    Attributes:
        lr: learning rate of Adam.
        truncation_length: K_T, iterations that are differentiated together, one update after each. A segment
            throughout which the preconditioners are frozen is run, but has no gradient; then take K_T = K.
        iterations: K, iterations of a batch.
        epochs: passes over the training problems; in a curriculum, at most so many.
        imitation: the probability that a batch is not trained on, but the teacher imitated there; by default 0.
        easiest: share of the training problems of each kind to which the stage confines itself, those whose mean
            gradient is smallest at the initial point (Shen et al. 2021 begin with a fifth); by default all.
    """

    lr: Annotated[float, Field(gt=0)]
    truncation_length: PositiveInt
    iterations: PositiveInt
    epochs: PositiveInt
    imitation: Annotated[float, Field(ge=0, le=1)] | None = None
    easiest: Annotated[float, Field(gt=0, le=1)] | None = None

    def __post_init__(self) -> None:
        if self.iterations % self.truncation_length:
            raise InputError(
                f"a stage's iterations are a multiple of its truncation_length, "
                f"got {self.iterations} and {self.truncation_length}"
            )

    @classmethod
    def from_dict(cls, values: Any) -> Any:
        """Return the stage that a table describes; what is no table is returned as it is.

        Raises:
            InputError: a setting is unknown, missing, of the wrong type or out of bounds.
        """
        return cls(**values) if isinstance(values, Mapping) else values


def with_epochs(stages: Sequence[Stage], epochs: int) -> tuple[Stage, ...]:
    """Return stages that have so many epochs each.

    Raises:
        InputError: the number is out of bounds.
    """
    return tuple(dataclasses.replace(stage, epochs=epochs) for stage in stages)


def with_learning_rate(stages: Sequence[AnyStage], lr: float) -> tuple[AnyStage, ...]:
    """Return stages the first of which has a learning rate, to which those of the others keep their proportion.

    Raises:
        InputError: the rate is out of bounds.
    """
    first = stages[0].lr
    if lr == first:
        return tuple(stages)  # bit for bit, so that a training resumes with the flag that it was begun with
    return tuple(dataclasses.replace(stage, lr=lr * (stage.lr / first)) for stage in stages)


PAPER_STAGES = (
    Stage(5e-4, 5, 10, 20),
    Stage(1e-4, 10, 20, 10),
    Stage(5e-5, 20, 40, 10),
    Stage(1e-5, 40, 80, 10),
    Stage(1e-5, 20, 100, 5),
)  # He et al. 2024, Section 5 and E.3

DEFAULT_STAGES = (
    Stage(4e-3, 250, 250, 8),
    Stage(2e-3, 400, 400, 7),
    Stage(6e-4, 600, 600, 5),
)  # models/milodo_gnn had twice these rates; with another seed, training made no progress from a poor value

CONSTANTS_STAGES = (
    Stage(3e-2, 250, 250, 5),
    Stage(1.5e-2, 400, 400, 4),
    Stage(5e-3, 600, 600, 2),
)  # a few numbers, which stand higher rates

MATRIX_STAGES = (Stage(1e-4, 25, 150, 2),)  # the iterates of neural networks fill the memory

GENERAL_STAGES = (
    Stage(1e-3, 20, 100, 2),
    Stage(1e-3, 20, 200, 5),
    Stage(5e-4, 20, 400, 8),
    Stage(2e-4, 20, 400, 5),
)  # networks run in every iteration: 400 of them on 16 problems of 300 coordinates and ten nodes take more than 24 GB

LOCAL_STAGES = (
    Stage(5e-3, 60, 60, 4),
    Stage(3e-3, 80, 80, 4),
    Stage(1e-3, 100, 100, 4),
    Stage(3e-4, 100, 100, 2),
)  # local solves need fewer iterations, and each costs more

FINE_TUNING_STAGES = (
    Stage(2e-3, 400, 400, 4),
    Stage(5e-4, 500, 500, 3),
)  # the weights are good already: long horizons from the beginning, and rates that do not throw them back


def stages_of_layers(depth: int) -> tuple[Stage, ...]:
    """Return the stages of an optimizer whose layers have weights of their own: the first layers, then all."""
    rates, parts, epochs = (5e-2, 5e-2, 5e-2, 3e-2, 1e-2), (10, 5, 2, 1, 1), (5, 5, 10, 20, 10)
    horizons = [max(1, depth // part) for part in parts]
    return tuple(Stage(lr, k, k, count) for lr, k, count in zip(rates, horizons, epochs, strict=True))
