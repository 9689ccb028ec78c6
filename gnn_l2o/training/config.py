"""What a training run is made of, and the recipe file that says it."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

import tomli_w
import torch
from torch import nn

from gnn_l2o._utils.errors import InputError, about, unknown
from gnn_l2o.learned import GRID_SEARCH, Architecture, MiLoDoArchitecture, read_architecture
from gnn_l2o.learned.model import model_folder, model_recipe, shortest_name
from gnn_l2o.training.pretrained import load_pretrained, weights_fingerprint

LossName = Literal["log_gap", "area", "log_area", "objective"]


@dataclass(frozen=True)
class Stage:
    """One stage of truncated back-propagation through time, (K_T, K) in the words of He et al. 2024, Section 5.

    Attributes:
        lr: learning rate of Adam.
        truncation_length: K_T, iterations that are differentiated together, one update after each. Where the gains
            are held throughout such a segment it is run but teaches nothing; then take K_T = K.
        iterations: K, iterations of a batch.
        epochs: passes over the training problems.
    """

    lr: float
    truncation_length: int
    iterations: int
    epochs: int

    def __post_init__(self) -> None:
        if self.lr <= 0 or min(self.truncation_length, self.iterations, self.epochs) < 1:
            raise InputError(f"a stage needs lr > 0 and lengths and epochs of at least 1, got {self}")
        if self.iterations % self.truncation_length:
            raise InputError(
                f"a stage's iterations are a multiple of its truncation_length, "
                f"got {self.iterations} and {self.truncation_length}"
            )


PAPER_STAGES = (
    Stage(5e-4, 5, 10, 20),
    Stage(1e-4, 10, 20, 10),
    Stage(5e-5, 20, 40, 10),
    Stage(1e-5, 40, 80, 10),
    Stage(1e-5, 20, 100, 5),
)  # He et al. 2024, Section 5 and E.3

DEFAULT_STAGES = (
    Stage(1e-3, 100, 100, 2),
    Stage(1e-3, 200, 200, 5),
    Stage(5e-4, 400, 400, 8),
    Stage(2e-4, 400, 400, 5),
)  # back-propagated whole: held gains make long horizons cheap


ACCELERATED_STAGES = (
    Stage(4e-3, 250, 250, 8),
    Stage(2e-3, 400, 400, 7),
    Stage(6e-4, 600, 600, 5),
)  # models/milodo_gnn had twice these rates; with another seed they held training at a poor value

DEFAULT_RECIPE: Mapping[str, Any] = {
    "architecture": {"kind": MiLoDoArchitecture.name, "accelerated": True, "edge_weights": "edge", "warmup": 12},
    "training": {
        "loss": "log_area",
        "batch_size": 6,
        "ema": 0.98,
        "stages": [dataclasses.asdict(stage) for stage in ACCELERATED_STAGES],
    },
}
"""What ``train_gnn.py`` does if it is told neither a recipe nor to follow the paper."""

FINE_TUNING_STAGES = (
    Stage(2e-3, 400, 400, 4),
    Stage(5e-4, 500, 500, 3),
)  # the weights are good already: long horizons from the beginning, and rates that do not throw them back

PAPER_RECIPE: Mapping[str, Any] = {
    "architecture": {
        "kind": MiLoDoArchitecture.name,
        "parametrization": "paper",
        "symmetrize": "mean",
        "hidden_features": 20,
        "warmup": 0,
        "recompute_every": 1,
    },
    "training": {
        "loss": "objective",
        "init": "special",
        "stages": [dataclasses.asdict(stage) for stage in PAPER_STAGES],
    },
}


RENAMED: Mapping[str, str] = {
    "lr_init": "initial_step_size",
    "start_from": "pretrained",
    "start_fingerprint": "pretrained_fingerprint",
}
"""What settings were called in recipes before version 0.5."""


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides the outcome of a training run; two runs of equal configurations agree.

    Attributes:
        dataset: specs of the datasets; each training problem takes one, one topology and one size at random.
        topology: specs of the topologies.
        nodes: sizes of the graphs.
        mixing: mixing weights.
        problems: training problems.
        validation_problems: problems held out to choose the best weights.
        validation_iterations: how long those are run.
        batch_size: problems in a batch.
        gradient_samples: how many of its samples a node draws for a gradient; ``None``: it takes all, as losses do.
        loss: ``"log_gap"``, ``"area"``, ``"log_area"`` or ``"objective"``, the paper's (29); see
            :func:`~gnn_l2o.training.losses.segment_loss`.
        init: where training starts, one of the architecture's ``inits``; ``None``: the first of them.
        initial_step_size: step size there; ``None``: the architecture's default.
        pretrained: in the place of both, the model whose weights training starts from, as
            :func:`~gnn_l2o.learned.load_model` knows it; it has the same ``architecture``.
        pretrained_fingerprint: of these weights, so that no others of that name are taken for them; ``None``: any.
        weight_decay: of Adam.
        clip: bound on the norm of the gradient of an update.
        ema: decay of the exponential moving average of the weights, in [0, 1); validation judges and a model keeps
            the average, 0 the last ones.
        seed: of everything.
        stages: in their order.
        architecture: of the optimizer.
    """

    dataset: tuple[str, ...]
    topology: tuple[str, ...] = ("ring",)
    nodes: tuple[int, ...] = (10,)
    mixing: str = "metropolis"
    problems: int = 192
    validation_problems: int = 48
    validation_iterations: int = 1000
    batch_size: int = 16
    gradient_samples: int | None = None
    loss: LossName = "log_gap"
    init: str | None = None
    initial_step_size: float | None = None
    pretrained: str | None = None
    pretrained_fingerprint: str | None = None
    weight_decay: float = 0.0
    clip: float = 1.0
    ema: float = 0.0
    seed: int = 0
    stages: tuple[Stage, ...] = DEFAULT_STAGES
    architecture: Architecture[Any] = field(default_factory=MiLoDoArchitecture)

    def __post_init__(self) -> None:
        for name in ("problems", "validation_problems", "validation_iterations", "batch_size"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is at least 1, got {getattr(self, name)}")
        if self.gradient_samples is not None and self.gradient_samples < 1:
            raise InputError(f"gradient_samples is at least 1, got {self.gradient_samples}")
        if self.clip <= 0:
            raise InputError(f"clip is positive, got {self.clip}")
        if not 0 <= self.ema < 1:
            raise InputError(f"ema lies between 0 and 1, 0 included, got {self.ema}")
        if self.loss not in get_args(LossName):
            raise unknown("loss", self.loss, get_args(LossName))
        if self.init is not None and self.init not in self.architecture.inits:
            raise unknown(f"init of a {self.architecture.name}", self.init, self.architecture.inits)
        if self.initial_step_size is not None:
            if self.architecture.default_step_size is None:
                raise InputError(f"a {self.architecture.name} has no initial_step_size, got {self.initial_step_size}")
            if self.init == GRID_SEARCH:
                raise InputError(
                    f"init {GRID_SEARCH!r} finds its own step sizes; expected no initial_step_size, got {self.initial_step_size}"
                )
            if not 0 < self.initial_step_size < self.architecture.step_size_limit:
                raise InputError(
                    f"initial_step_size lies between 0 and {self.architecture.step_size_limit}, got {self.initial_step_size}"
                )
        for name in ("init", "initial_step_size"):
            if self.pretrained is not None and getattr(self, name) is not None:
                raise InputError(
                    f"training starts either from the model {self.pretrained} or from {name} {getattr(self, name)}"
                )
        if self.pretrained is None and self.pretrained_fingerprint is not None:
            raise InputError("pretrained_fingerprint is that of the model pretrained, which is not given")

    def build(self) -> nn.Module:
        """Return the weights as they are before training.

        Raises:
            InputError: there is no model ``pretrained``, or it has another architecture or other weights.
        """
        torch.manual_seed(self.seed)
        weights = self.architecture.build()
        if self.pretrained is None:
            self.architecture.initialize(weights, self.init or self.architecture.inits[0], self.initial_step_size)
        else:
            load_pretrained(weights, self.architecture, self.pretrained, self.pretrained_fingerprint)
        return weights

    def with_start_named(self) -> TrainingConfig:
        """Return the configuration with what decides its first weights said in full: the init, or which model's.

        Raises:
            InputError: see :meth:`build`.
        """
        if self.pretrained is None:
            return dataclasses.replace(self, init=self.init or self.architecture.inits[0])
        found = weights_fingerprint(self.build())
        return dataclasses.replace(self, pretrained=shortest_name(self.pretrained), pretrained_fingerprint=found)

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as a recipe's tables."""
        training = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        architecture = training.pop("architecture").to_dict()
        stages = [dataclasses.asdict(stage) for stage in training.pop("stages")]
        training = {k: list(v) if isinstance(v, tuple) else v for k, v in training.items() if v is not None}
        return {"architecture": architecture, "training": {**training, "stages": stages}}

    @classmethod
    def from_dict(cls, recipe: Mapping[str, Any]) -> TrainingConfig:
        """Return the configuration that a recipe's tables describe.

        Raises:
            InputError: a setting is unknown, missing or of the wrong type.
        """
        training = {RENAMED.get(name, name): value for name, value in recipe.get("training", {}).items()}
        if training.get("init") == "scouted":
            training["init"] = GRID_SEARCH
        known = {f.name for f in dataclasses.fields(cls)} - {"architecture"}
        for name in training:
            if name not in known:
                raise unknown("training setting", name, known)
        if "dataset" not in training:
            raise InputError("the recipe has no [training] dataset")
        stages = training.pop("stages", None)
        training = {k: tuple(v) if isinstance(v, list) else v for k, v in training.items()}
        if stages is not None:
            training["stages"] = parse_stages(stages)
        architecture = read_architecture(recipe.get("architecture", {}))
        try:
            return cls(**training, architecture=architecture)
        except TypeError as error:  # a text where a number is compared
            raise InputError(f"a [training] setting has the wrong type: {error}") from None

    def to_toml(self) -> str:
        """Return the configuration as the text of a ``recipe.toml``."""
        return tomli_w.dumps(self.to_dict())


def fine_tuning(name: str) -> dict[str, Any]:
    """Return the tables of a recipe that trains a model further: on its own mixture, briefly and at low rates.

    Args:
        name: the model, as :func:`~gnn_l2o.learned.load_model` knows it.

    Raises:
        InputError: there is no such model, or it has no readable recipe.
    """
    with about(pretrained=name):
        tables = model_recipe(model_folder(name))
        architecture = read_architecture(tables.get("architecture", {})).to_dict()
    training = without_start(tables.get("training", {}))
    stages = [dataclasses.asdict(stage) for stage in FINE_TUNING_STAGES]
    return {
        "architecture": architecture,
        "training": {**training, "loss": "log_area", "stages": stages, "pretrained": name},
    }


def without_start(training: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``[training]`` of a recipe without what says where training starts."""
    start = ("init", "initial_step_size", "pretrained", "pretrained_fingerprint")
    return {name: value for name, value in training.items() if name not in start}


def read_recipe(path: Path) -> TrainingConfig:
    """Return the configuration in a ``recipe.toml``.

    Raises:
        InputError: the file cannot be read, or says something unknown.
    """
    return TrainingConfig.from_dict(read_tables(path))


def read_tables(path: Path) -> dict[str, Any]:
    """Return the tables of a ``recipe.toml`` as they are written there.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"cannot read the recipe {path}: {error}") from None


def read_stages(path: Path) -> tuple[Stage, ...]:
    """Return the stages of a JSON file: a list of objects with the attributes of :class:`Stage`.

    Raises:
        InputError: the file cannot be read, or is not such a list.
    """
    try:
        return parse_stages(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"cannot read the stages {path}: {error}") from None


def parse_stages(values: Any) -> tuple[Stage, ...]:
    """Return the stages that a list of mappings describes.

    Raises:
        InputError: it is no such list, or a stage has a setting too many, too few or of the wrong type.
    """
    if not isinstance(values, list) or not values or not all(isinstance(v, dict) for v in values):
        raise InputError("stages are a non-empty list of objects with lr, truncation_length, iterations and epochs")
    types = get_type_hints(Stage)
    stages = []
    for value in values:
        for name in value:
            if name not in types:
                raise unknown("stage setting", name, types)
        for name, kind in types.items():
            given = value.get(name)
            if isinstance(given, bool) or not isinstance(given, (int, float) if kind is float else int):
                raise InputError(f"a stage needs {name} as {kind.__name__}, got {given!r}")
        stages.append(Stage(**{**value, "lr": float(value["lr"])}))
    return tuple(stages)
