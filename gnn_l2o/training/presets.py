"""What training does where nothing else is said, what the paper does, and how a model is trained further."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from gnn_l2o._utils.errors import about
from gnn_l2o.learned import (
    Architecture,
    LearnedScalarsArchitecture,
    LocalMiLoDoArchitecture,
    LPGExtraArchitecture,
    MatrixMiLoDoArchitecture,
    MiLoDoArchitecture,
    read_architecture,
)
from gnn_l2o.learned.model import model_folder, model_recipe
from gnn_l2o.training.stages import (
    CONSTANTS_STAGES,
    DEFAULT_STAGES,
    FINE_TUNING_STAGES,
    GENERAL_STAGES,
    LOCAL_STAGES,
    MATRIX_STAGES,
    PAPER_STAGES,
    Stage,
    stages_of_layers,
)

DEFAULT_ARCHITECTURE = MiLoDoArchitecture(accelerated=True, edge_weights="edge", warmup=12)
"""What is trained if no architecture is named."""

_DEFAULTS: Mapping[str, Any] = {
    "precision": "single",
    "validation_iterations": 1000,
    "loss": "log_area",
    "batch_size": 6,
    "ema": 0.98,
    "stages": DEFAULT_STAGES,
}
_GENERAL: Mapping[str, Any] = {
    **_DEFAULTS,
    "loss": "log_gap",
    "batch_size": 16,
    "ema": 0.0,
    "stages": GENERAL_STAGES,
}
# Newton's method ends sooner in double precision, and many small updates did far more than few large ones.
_LOCAL: Mapping[str, Any] = {
    **_DEFAULTS,
    "precision": "double",
    "batch_size": 4,
    "stages": LOCAL_STAGES,
}


def defaults_for(architecture: Architecture[Any]) -> Mapping[str, Any]:
    """Return the training settings whose default depends on the architecture.

    MiLoDo in its scale-free parametrization, its forms with constants, with local solves and with matrices, and
    unrolled PG-EXTRA train as the released models did. The networks of all others run in every iteration, and train in
    windows that fit into memory.
    """
    match architecture:
        case LocalMiLoDoArchitecture():
            return _LOCAL
        case LPGExtraArchitecture(depth=depth):  # and no more iterations than that
            return {**_GENERAL, "validation_iterations": min(1000, depth), "stages": stages_of_layers(depth)}
        case MatrixMiLoDoArchitecture():
            return {**_DEFAULTS, "loss": "area", "validation_iterations": 250, "stages": MATRIX_STAGES}
        case LearnedScalarsArchitecture():
            return {**_DEFAULTS, "stages": CONSTANTS_STAGES}
        case MiLoDoArchitecture(parametrization="scale_free"):
            return _DEFAULTS
    return _GENERAL


def quick_settings(architecture: Architecture[Any]) -> dict[str, Any]:
    """Return the settings of a short training, which has one epoch a stage, before those that are given beside it."""
    horizon = min(200, defaults_for(architecture)["validation_iterations"])
    return {"problems": 24, "validation_problems": 8, "validation_iterations": horizon}


def tables(stages: Sequence[Stage]) -> list[dict[str, Any]]:
    """Return stages as the tables of a recipe."""
    return [{k: v for k, v in dataclasses.asdict(stage).items() if v is not None} for stage in stages]


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
        "batch_size": 16,
        "ema": 0.0,
        "stages": tables(PAPER_STAGES),
    },
}
"""The settings of He et al. 2024, as the tables of a recipe."""


def fine_tuning(name: str) -> dict[str, Any]:
    """Return the tables of a recipe that trains a model further: on its own mixture, briefly and at low rates.

    Args:
        name: the model, as :func:`~gnn_l2o.learned.load_model` takes it.

    Raises:
        InputError: there is no such model, or it has no readable recipe.
    """
    with about(pretrained=name):
        recipe = model_recipe(model_folder(name))
        architecture = read_architecture(recipe.get("architecture", {})).to_dict()
    training = without_initialization(recipe.get("training", {}))
    changes = {"loss": "log_area", "stages": tables(FINE_TUNING_STAGES), "pretrained": name}
    return {"architecture": architecture, "training": {**training, **changes}}


RENAMED: Mapping[str, str] = {
    "lr_init": "initial_step_size",
    "start_from": "pretrained",
    "start_fingerprint": "pretrained_fingerprint",
}
"""Names of training settings in recipes before version 0.5, with the names of today."""


def without_initialization(training: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``[training]`` of a recipe without what decides the first weights."""
    decide = {"init", "initial_step_size", "pretrained", "pretrained_fingerprint", *RENAMED}
    return {name: value for name, value in training.items() if name not in decide}
