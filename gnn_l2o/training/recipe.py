"""Reading the files that say what a training run is made of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.parse import read_json, read_toml
from gnn_l2o.learned.unrolled import UNROLLED
from gnn_l2o.training.config import TrainingConfig
from gnn_l2o.training.layerwise import LayerStage, LayerwiseConfig
from gnn_l2o.training.stages import Stage


def is_unrolled(tables: Mapping[str, Any]) -> bool:
    """Tell whether a recipe's tables are of an unrolled network, which is trained layer by layer."""
    architecture = tables.get("architecture")
    return isinstance(architecture, Mapping) and architecture.get("kind") in {kind.name for kind in UNROLLED}


def config_of(tables: Mapping[str, Any]) -> TrainingConfig | LayerwiseConfig:
    """Return the configuration that a recipe's tables describe, of the kind that trains its architecture.

    Raises:
        InputError: they say something unknown.
    """
    return (LayerwiseConfig if is_unrolled(tables) else TrainingConfig).from_dict(tables)


def read_recipe(path: Path) -> TrainingConfig:
    """Return the configuration in a ``recipe.toml`` of a network that is trained on a mixture of problems.

    Raises:
        InputError: the file cannot be read, or says something unknown.
    """
    return TrainingConfig.from_dict(read_toml(path))


def read_layer_stages(path: Path) -> tuple[LayerStage, ...]:
    """Return the stages of a JSON file: a list of objects with the attributes of :class:`.LayerStage`.

    Raises:
        InputError: the file cannot be read, or is not such a list.
    """
    return tuple(LayerStage(**value) for value in _objects(path, "parameters, lr and updates"))


def read_stages(path: Path) -> tuple[Stage, ...]:
    """Return the stages of a JSON file: a list of objects with the attributes of :class:`Stage`.

    Raises:
        InputError: the file cannot be read, or is not such a list.
    """
    return tuple(Stage(**value) for value in _objects(path, "lr, truncation_length, iterations and epochs"))


def _objects(path: Path, attributes: str) -> list[dict[str, Any]]:
    values = read_json(path)
    if not isinstance(values, list) or not values or not all(isinstance(v, dict) for v in values):
        raise InputError(f"stages are a non-empty list of objects with {attributes}")
    return values
