"""The optimizer of a training, from its name, its path or an algorithm."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from gnn_l2o._utils.errors import InputError, unknown
from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.registry import METHODS
from gnn_l2o.handcrafted import ALIASES
from gnn_l2o.learned import load_model
from gnn_l2o.learned.architecture import Movable
from gnn_l2o.learned.milodo import MiLoDo
from gnn_l2o.step_sizes.description import is_metaoptimize, parse


def choose_optimizer(
    optimizer: str | Path | Algorithm[Any], parameters: Mapping[str, float] | None, local_steps: int
) -> Algorithm[Any]:
    """Return the algorithm that is meant; see :class:`.ModuleSession`.

    Raises:
        InputError: there is none, its parameters are not those of its class, or it takes no local steps.
    """
    algorithm = _named(optimizer, parameters)
    if local_steps == 1:
        return algorithm
    if isinstance(algorithm, MiLoDo):
        return dataclasses.replace(algorithm, local_steps=local_steps)
    raise InputError(
        f"local_steps is for trained optimizers of MiLoDo's rule, such as milodo_mlp, got {algorithm.name}; methods "
        "with local steps have them among their parameters"
    )


def moved(algorithm: Algorithm[Any], device: torch.device, dtype: torch.dtype) -> Algorithm[Any]:
    """Return an algorithm on a device and in a precision; the one given stays as it is."""
    return copy.deepcopy(algorithm).to(device, dtype) if isinstance(algorithm, Movable) else algorithm


def _named(optimizer: str | Path | Algorithm[Any], parameters: Mapping[str, float] | None) -> Algorithm[Any]:
    if isinstance(optimizer, str) and is_metaoptimize(optimizer):
        if parameters is not None:
            raise InputError(
                f"metaoptimize has its parameters in its name, 'metaoptimize:step_size=1e-5', got {parameters}"
            )
        return parse(optimizer)
    name = ALIASES.get(str(optimizer), str(optimizer))
    is_method = name in METHODS or name.partition("::")[0].endswith(".py")
    if isinstance(optimizer, Algorithm) or not is_method:
        if parameters is not None:
            raise InputError(
                f"parameters are for methods that are named ({', '.join(METHODS.names())}), not for {optimizer}"
            )
        return optimizer if isinstance(optimizer, Algorithm) else load_model(optimizer)
    method, given = METHODS[name], dict(parameters or {})
    for key in given:
        if key not in method.grid:
            raise unknown(f"parameter of {name}:", key, method.grid)
    missing = [key for key in method.grid if key not in given]
    if missing:
        raise InputError(f"{name} needs the parameters {', '.join(method.grid)}; {', '.join(missing)} missing")
    return method(**given)
