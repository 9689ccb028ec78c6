"""The file from which an interrupted training goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.files import write_atomically


def write_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write nested containers of tensors and numbers, atomically."""
    write_atomically(path, lambda temporary: torch.save(content, temporary))


def read_checkpoint(path: Path, device: torch.device) -> dict[str, Any]:
    """Return the content of a checkpoint, on a device.

    Raises:
        InputError: it cannot be read, or is no checkpoint of a training of a module.
    """
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch raises errors of many kinds for files that are not its own
        raise InputError(f"the checkpoint {path} cannot be read: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(content, dict) or not {"session", "history", "early_stopping"} <= content.keys():
        raise InputError(f"{path} is no checkpoint of train_module; name another file")
    return content
