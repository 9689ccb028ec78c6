"""Trained optimizers on disk: ``models/NAME/recipe.toml`` and ``weights.safetensors``."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import tomli_w
import torch
from torch import nn

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError, unknown
from gnn_l2o._utils.files import write_bytes, write_text
from gnn_l2o._utils.parse import read_toml
from gnn_l2o._utils.registry import Registry
from gnn_l2o.learned.architecture import Architecture, Movable, require_memory_for
from gnn_l2o.learned.base_rules import BaseRulesArchitecture
from gnn_l2o.learned.generic_l2o import GenericL2OArchitecture
from gnn_l2o.learned.l2o_dm import L2ODMArchitecture
from gnn_l2o.learned.l2o_scale import L2OScaleArchitecture
from gnn_l2o.learned.l2o_swarm import L2OSwarmArchitecture
from gnn_l2o.learned.learned_scalars import LearnedScalarsArchitecture
from gnn_l2o.learned.local_milodo import LocalMiLoDo, LocalMiLoDoArchitecture
from gnn_l2o.learned.lpg_extra import LPGExtraArchitecture
from gnn_l2o.learned.matrix_milodo import MatrixMiLoDoArchitecture
from gnn_l2o.learned.milodo import MiLoDo
from gnn_l2o.learned.milodo_architecture import MiLoDoArchitecture
from gnn_l2o.learned.per_node import PerNodeArchitecture
from gnn_l2o.learned.rnnprop import RNNPropArchitecture
from gnn_l2o.learned.twin_l2o import TwinL2OArchitecture
from gnn_l2o.learned.unrolled import UNROLLED
from gnn_l2o.nn.preconditioner import Preconditioner

WEIGHTS, RECIPE = "weights.safetensors", "recipe.toml"
METADATA = "gnn-l2o architecture"
MAX_SETTING = 10**6  # of a run; more local steps would not end
LARGEST_WEIGHT = 1e6
"""Weights of trained optimizers are of the order of one; much larger ones come from damaged files."""

ARCHITECTURES: Registry[Architecture[Any]] = Registry("learned optimizer", Architecture)
"""The kinds of learned optimizers by name; recipes name them as ``kind``."""
for _architecture in (
    MiLoDoArchitecture,
    LocalMiLoDoArchitecture,
    MatrixMiLoDoArchitecture,
    PerNodeArchitecture,
    GenericL2OArchitecture,
    BaseRulesArchitecture,
    LPGExtraArchitecture,
    LearnedScalarsArchitecture,
    L2ODMArchitecture,
    L2OScaleArchitecture,
    L2OSwarmArchitecture,
    RNNPropArchitecture,
    TwinL2OArchitecture,
):
    ARCHITECTURES.register(_architecture)
for _unrolled in UNROLLED:
    ARCHITECTURES.register(_unrolled)


def read_architecture(table: Mapping[str, Any]) -> Architecture[Any]:
    """Return the architecture that the ``[architecture]`` of a recipe describes; without a ``kind`` it is MiLoDo's.

    Raises:
        InputError: the kind or a setting is unknown, or a setting of the wrong type.
    """
    if not isinstance(table, Mapping):
        raise InputError(f"[architecture] is a table of settings, got {table!r:.80}")
    settings = {"kind": MiLoDoArchitecture.name, **table}
    kind = str(settings.pop("kind"))
    if kind not in ARCHITECTURES:  # nor is a path taken, since loading a model executes nothing that comes with it
        raise unknown(ARCHITECTURES.kind, kind, ARCHITECTURES)
    return ARCHITECTURES[kind].from_dict(settings)


def save_weights(folder: Path, weights: nn.Module, architecture: Architecture[Any]) -> None:
    """Write ``weights.safetensors``, which names its architecture, into ``folder``, atomically."""
    tensors = {k: v.detach().to("cpu", torch.float32).contiguous() for k, v in weights.state_dict().items()}
    # One key only: safetensors writes several in any order, and equal weights should make equal files.
    metadata = {METADATA: json.dumps(architecture.to_dict())}
    write_bytes(folder / WEIGHTS, safetensors.torch.save(tensors, metadata))


def save_model(optimizer: Movable[Any], folder: str | Path) -> None:
    """Write a trained optimizer into a folder, from which :func:`load_model` loads it; not the settings of its run.

    Raises:
        InputError: the optimizer was not loaded and its architecture is not known, or the folder holds a model of
            another architecture, which is left as it is.
    """
    folder, architecture = Path(folder), _architecture_of(optimizer)
    recipe = tomli_w.dumps({"architecture": architecture.to_dict()})
    if (folder / RECIPE).exists() and model_recipe(folder) != tomllib.loads(recipe):
        raise InputError(f"{folder} holds another model; name a new folder")
    write_text(folder / RECIPE, recipe)
    save_weights(folder, optimizer.weights, architecture)


def _architecture_of(optimizer: Movable[Any]) -> Architecture[Any]:
    if optimizer.architecture is not None:
        return optimizer.architecture
    match optimizer:
        case MiLoDo(source=Preconditioner() as source, schedule=schedule, restart=restart, step_factors=step_factors):
            return MiLoDoArchitecture(
                **source.settings,
                restart=restart,
                warmup=schedule.warmup,
                recompute_every=schedule.every,
                chebyshev_steps=len(step_factors),
            )
        case LocalMiLoDo(source=source, schedule=schedule, diagonal=diagonal):
            return LocalMiLoDoArchitecture(
                **source.settings, diagonal=diagonal, warmup=schedule.warmup, recompute_every=schedule.every
            )
    raise InputError(f"{optimizer.name} was not loaded, and its architecture is not known; save_weights takes it")


def load_model(name: str | Path) -> Movable[Any]:
    """Return the trained optimizer called ``name``.

    Args:
        name: a folder of ``models/``, or the path of a folder like them; then perhaps ``:`` and settings of the run
            (:attr:`.Movable.run_settings`), ``milodo_local:local_steps=16``.

    Raises:
        InputError: there is no such model, its weights are corrupt, foreign, of another architecture or too many for
            the memory, or it has no such setting.
    """
    if isinstance(name, str) and ":" in name and not Path(name).is_dir():
        head, _, tail = name.partition(":")
        return with_run_settings(load_model(head), tail)
    folder = model_folder(name)
    architecture = read_architecture(model_recipe(folder).get("architecture", {}))
    require_memory_for(architecture)
    weights = architecture.build()
    load_weights(folder / WEIGHTS, weights, architecture)
    algorithm = architecture.algorithm(weights.eval(), name=folder.name)
    return dataclasses.replace(algorithm, architecture=architecture)  # type: ignore[type-var]  # a dataclass


def with_run_settings(algorithm: Movable[Any], text: str) -> Movable[Any]:
    """Return a trained optimizer with other settings of its run, which its name then says.

    Args:
        algorithm: the optimizer.
        text: the settings, ``key=value,key=value``.

    Raises:
        InputError: it has no such setting, or a value is no whole number from 1 to 1,000,000, or none of the choices.
    """
    values: dict[str, Any] = {}
    for item in text.split(","):
        key, _, value = item.partition("=")
        if key in algorithm.run_choices:
            if value not in algorithm.run_choices[key]:
                raise unknown(f"{key} of {algorithm.name}", value, algorithm.run_choices[key])
            values[key] = value
            continue
        if key not in algorithm.run_settings:
            known = (*algorithm.run_settings, *algorithm.run_choices)
            raise unknown(f"setting of a run of {algorithm.name}", key, known)
        if not value.isdecimal() or not 1 <= int(value) <= MAX_SETTING:
            raise InputError(f"{key} is a whole number from 1 to {MAX_SETTING}, got {value!r}")
        values[key] = int(value)
    return dataclasses.replace(algorithm, name=f"{algorithm.name}:{text}", **values)  # type: ignore[type-var]


def model_folder(name: str | Path) -> Path:
    """Return the folder of the trained optimizer called ``name``, see :func:`load_model`.

    Raises:
        InputError: there is none.
    """
    folder = _in_models(name)
    if folder is not None:
        return folder
    if Path(name).is_dir():
        return Path(name).resolve()
    raise unknown("model", str(name), available_models())


def shortest_name(name: str | Path) -> str:
    """Return the name in ``models/`` of a trained optimizer that is called by its path, if it has one; else ``name``.

    Raises:
        InputError: there is no such model.
    """
    folder = model_folder(name).resolve()
    named = _in_models(folder.name)
    return folder.name if named is not None and named.resolve() == folder else str(name)


def model_recipe(folder: Path) -> dict[str, Any]:
    """Return the tables of the recipe in a model's folder.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    if not (folder / RECIPE).is_file():
        raise InputError(f"{folder} holds no {RECIPE}; expected a folder that train_gnn.py wrote")
    return read_toml(folder / RECIPE)


def load_weights(path: Path, weights: nn.Module, architecture: Architecture[Any]) -> None:
    """Fill ``weights`` with those of a file.

    Raises:
        InputError: the file is missing, corrupt, not written by this library, or of another architecture, or its
            weights are no numbers in single precision of moderate size.
    """
    if not path.is_file():
        raise InputError(f"there is no weights file {path}")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            # The layer that goes past an LSTM was called "direct" before version 0.5.
            tensors = {key.replace(".direct.", ".skip_connection."): file.get_tensor(key) for key in file.keys()}
    except (safetensors.SafetensorError, OSError) as error:
        raise InputError(f"{path} is corrupt: {error}") from None
    if METADATA not in metadata:
        raise InputError(f"{path} was not written by gnn-l2o; expected weights that train_gnn.py saved")
    try:
        stored, wanted = read_architecture(json.loads(metadata[METADATA])).to_dict(), architecture.to_dict()
    except (ValueError, RecursionError) as error:  # an InputError, too
        raise InputError(f"{path} is corrupt: {METADATA}: {error}") from None
    differing = [f"{k} {stored.get(k)!r} instead of {v!r}" for k, v in wanted.items() if stored.get(k) != v]
    if differing:
        raise InputError(f"{path} has another architecture than its recipe: {', '.join(differing)}")
    for key, value in tensors.items():
        if value.dtype != torch.float32:
            raise InputError(f"{path} holds {key} as {value.dtype}; expected torch.float32, as train_gnn.py saves it")
        if not bool((value.abs() <= LARGEST_WEIGHT).all()):
            worst = float(value.flatten()[value.abs().nan_to_num(torch.inf).argmax()])
            raise InputError(f"{path} holds the weight {worst:g} in {key}; expected at most {LARGEST_WEIGHT:g}")
    try:
        weights.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(f"{path} does not fit its architecture: {' '.join(str(error).split())}") from None


def available_models() -> list[str]:
    """Return the names of the models in ``models/``."""
    found = {f.parent.name for folder in plugins.folders("model") for f in folder.glob(f"*/{RECIPE}")}
    return sorted(found)


def _in_models(name: str | Path) -> Path | None:
    return next((folder / name for folder in plugins.folders("model") if (folder / name).is_dir()), None)
