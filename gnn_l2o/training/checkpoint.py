"""Where a training run stands, and the file from which it is resumed."""

from __future__ import annotations

import dataclasses
import io
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.files import write_bytes
from gnn_l2o.training.curve import CurvePoint

CHECKPOINT = "checkpoint.pt"
_RENAMED = {"setbacks": "rollbacks"}  # since version 0.5


@dataclass
class Progress:
    """Where a run stands; everything in it but the times depends on the configuration alone.

    Attributes:
        stage, epoch, batch: the next batch.
        updates: weight updates so far.
        failures: updates in a row that diverged or had no finite gradient.
        rollbacks: times the weights were rolled back to the best ones; each halves the learning rate.
        best: the best validation value; in a curriculum, of the present stage.
        improvements: whether each epoch of the present stage improved on it.
        curve: one point an epoch.
        losses: of the batches of this epoch.
        iterations: iterations of the optimizer so far, of :attr:`.TrainingRun.total_iterations`.
        seconds: time spent.
    """

    stage: int = 0
    epoch: int = 0
    batch: int = 0
    updates: int = 0
    failures: int = 0
    rollbacks: int = 0
    best: float = math.inf
    improvements: list[bool] = field(default_factory=list)
    curve: list[CurvePoint] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    iterations: int = 0
    seconds: float = 0.0

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Progress:
        """Undo :func:`dataclasses.asdict`, also of earlier versions."""
        values = _today(values)
        return cls(**{**values, "curve": [CurvePoint(**_today(point)) for point in values["curve"]]})


@dataclass(frozen=True)
class Checkpoint:
    """What is needed to go on with a run.

    Attributes:
        config: tables of the run's configuration.
        weights: of the optimizer.
        average: their moving average.
        best_weights: the best ones in validation.
        optimizer: state of Adam.
        progress: where the run stands.
        imitation_optimizer: state of the Adam that imitates; empty in files of earlier versions.
    """

    config: dict[str, Any]
    weights: dict[str, torch.Tensor]
    average: dict[str, torch.Tensor]
    best_weights: dict[str, torch.Tensor]
    optimizer: dict[str, Any]
    progress: Progress
    imitation_optimizer: dict[str, Any] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write the checkpoint, atomically."""
        content = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        file = io.BytesIO()  # torch hides from its callers why a file could not be written
        torch.save({**content, "progress": dataclasses.asdict(self.progress)}, file)
        write_bytes(path, file.getvalue())

    @classmethod
    def load(cls, path: Path, config: dict[str, Any], device: torch.device | str) -> Checkpoint:
        """Read a checkpoint.

        Args:
            path: of the file.
            config: tables of the configuration that it must be of.
            device: where its tensors go.

        Raises:
            InputError: the file is damaged or cannot be read, or is of another configuration or version.
        """
        try:
            _check_sums(path)
            content: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        except InputError:
            raise
        except Exception as error:  # torch raises errors of many kinds for files that are not its own
            # What torch says then is how to load the file all the same, which may execute code in it.
            raise InputError(
                f"{path} cannot be read ({type(error).__name__}); expected a checkpoint of train_gnn.py"
            ) from None
        try:
            _check_same(content["config"], config, path)
            return cls(**{**content, "progress": Progress.from_dict(content["progress"])})
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"the checkpoint {path} is of another version of gnn-l2o: {error}") from None


def _check_sums(path: Path) -> None:
    """Compare the records of a checkpoint with the checksums that were written with them, which torch does not read.

    Raises:
        InputError: one differs.
    """
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise InputError(f"the checkpoint {path} is damaged: its record {damaged} does not have its checksum")


def _today(values: Mapping[str, Any]) -> dict[str, Any]:
    return {_RENAMED.get(name, name): value for name, value in values.items()}


def _check_same(stored: Mapping[str, Any], given: Mapping[str, Any], path: Path) -> None:
    for table in given:
        for name, value in given[table].items():
            if stored[table].get(name) != value:
                raise InputError(
                    f"{path} belongs to a run with {name} = {stored[table].get(name)!r}, got {value!r}; "
                    "a run is resumed with the settings it was begun with"
                )
