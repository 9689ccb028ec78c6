"""Trained optimizers on disk: ``models/NAME/recipe.toml`` and ``weights.safetensors``."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from gnn_l2o import plugins
from gnn_l2o.errors import InputError, unknown
from gnn_l2o.files import write_atomically
from gnn_l2o.learned.milodo import MiLoDo, RefreshSchedule
from gnn_l2o.nn import Preconditioner
from gnn_l2o.nn.edge_preconditioner import Symmetrize
from gnn_l2o.nn.node_preconditioner import Parametrization

WEIGHTS, RECIPE = "weights.safetensors", "recipe.toml"
METADATA = "gnn-l2o architecture"


@dataclass(frozen=True)
class Architecture:
    """What a learned optimizer is made of, apart from its weights: the ``[architecture]`` of a recipe.

    Attributes:
        parametrization: how the LSTMs' outputs become gains, see :class:`~gnn_l2o.nn.NodePreconditioner`.
        symmetrize: how the ends of an edge agree, see :class:`~gnn_l2o.nn.EdgePreconditioner`.
        hidden_features: width of the LSTMs.
        spectral_gap: whether they see the spectral gap.
        warmup: refresh the gains in each of the first so many iterations.
        refresh_every: and in each so-manieth afterwards; 0 holds them.
    """

    parametrization: Parametrization = "scale_free"
    symmetrize: Symmetrize = "even"
    hidden_features: int = 16
    spectral_gap: bool = True
    warmup: int = 20
    refresh_every: int = 0

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Architecture:
        """Return the architecture with these attributes, the defaults for those not given.

        Raises:
            InputError: a name is unknown.
        """
        known = {f.name for f in dataclasses.fields(cls)}
        for name in values:
            if name not in known:
                raise unknown("architecture setting", name, known)
        return cls(**values)

    def build(self) -> Preconditioner:
        """Return networks of this architecture with newly drawn weights."""
        return Preconditioner(
            self.hidden_features,
            parametrization=self.parametrization,
            symmetrize=self.symmetrize,
            spectral_gap=self.spectral_gap,
        )

    def algorithm(self, preconditioner: Preconditioner, name: str = "milodo") -> MiLoDo:
        """Return the optimizer that these networks make."""
        schedule = RefreshSchedule(self.warmup, self.refresh_every)
        return MiLoDo(preconditioner, schedule, directed=preconditioner.directed, name=name)


def save_weights(folder: Path, preconditioner: Preconditioner, architecture: Architecture) -> None:
    """Write ``weights.safetensors``, which names its architecture, into ``folder``, atomically."""
    tensors = {k: v.detach().to("cpu", torch.float32).contiguous() for k, v in preconditioner.state_dict().items()}
    # One key only: safetensors writes several in any order, and equal weights should make equal files.
    metadata = {METADATA: json.dumps(dataclasses.asdict(architecture))}
    write_atomically(folder / WEIGHTS, lambda path: safetensors.torch.save_file(tensors, path, metadata))


def load_model(name: str | Path) -> MiLoDo:
    """Return the trained optimizer called ``name``.

    Args:
        name: a folder of ``models/``, or the path of a folder like them.

    Raises:
        InputError: there is no such model, or its weights are corrupt, foreign or of another architecture.
    """
    folder = _find(str(name))
    try:
        recipe = tomllib.loads((folder / RECIPE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{folder} holds no {RECIPE}; expected a folder that train_gnn.py wrote") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{folder / RECIPE} cannot be read: {error}") from None
    architecture = Architecture.from_dict(recipe.get("architecture", {}))
    preconditioner = architecture.build()
    load_weights(folder / WEIGHTS, preconditioner, architecture)
    return architecture.algorithm(preconditioner.eval(), name=folder.name)


def load_weights(path: Path, preconditioner: Preconditioner, architecture: Architecture) -> None:
    """Fill ``preconditioner`` with the weights of a file.

    Raises:
        InputError: the file is missing, corrupt, not written by this library, or of another architecture.
    """
    if not path.is_file():
        raise InputError(f"there is no weights file {path}")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}
    except (safetensors.SafetensorError, OSError) as error:
        raise InputError(f"{path} is corrupt: {error}") from None
    if METADATA not in metadata:
        raise InputError(f"{path} was not written by gnn-l2o; expected weights that train_gnn.py saved")
    stored, wanted = json.loads(metadata[METADATA]), dataclasses.asdict(architecture)
    differing = [f"{k} {stored.get(k)!r} instead of {v!r}" for k, v in wanted.items() if stored.get(k) != v]
    if differing:
        raise InputError(f"{path} has another architecture than its recipe: {', '.join(differing)}")
    bad = [key for key, value in tensors.items() if not torch.isfinite(value).all()]
    if bad:
        raise InputError(f"{path} holds non-finite weights in {bad[0]}")
    try:
        preconditioner.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(f"{path} does not fit its architecture: {' '.join(str(error).split())}") from None


def available_models() -> list[str]:
    """Return the names of the models in ``models/``."""
    found = {f.parent.name for folder in plugins.folders("model") for f in folder.glob(f"*/{RECIPE}")}
    return sorted(found)


def _find(name: str) -> Path:
    for folder in plugins.folders("model"):
        if (folder / name).is_dir():
            return folder / name
    if Path(name).is_dir():
        return Path(name).resolve()
    raise unknown("model", name, available_models())
