"""Reading the files that say what a training run is made of."""

from __future__ import annotations

from pathlib import Path

from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.parse import read_json, read_toml
from gnn_l2o.training.config import TrainingConfig
from gnn_l2o.training.stages import Stage


def read_recipe(path: Path) -> TrainingConfig:
    """Return the configuration in a ``recipe.toml``.

    Raises:
        InputError: the file cannot be read, or says something unknown.
    """
    return TrainingConfig.from_dict(read_toml(path))


def read_stages(path: Path) -> tuple[Stage, ...]:
    """Return the stages of a JSON file: a list of objects with the attributes of :class:`Stage`.

    Raises:
        InputError: the file cannot be read, or is not such a list.
    """
    values = read_json(path)
    if not isinstance(values, list) or not values or not all(isinstance(v, dict) for v in values):
        raise InputError("stages are a non-empty list of objects with lr, truncation_length, iterations and epochs")
    return tuple(Stage(**value) for value in values)
