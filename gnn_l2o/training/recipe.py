"""Reading the files that say what a training run is made of."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from gnn_l2o._utils.errors import InputError
from gnn_l2o.training.config import TrainingConfig
from gnn_l2o.training.stages import Stage


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
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"cannot read the stages {path}: {error}") from None
    if not isinstance(values, list) or not values or not all(isinstance(v, dict) for v in values):
        raise InputError("stages are a non-empty list of objects with lr, truncation_length, iterations and epochs")
    return tuple(Stage(**value) for value in values)
