"""The module that is trained: a copy of one, or a new one."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import nn

from gnn_l2o._utils.errors import InputError
from gnn_l2o.problems.neural_module import initialized


def own_module(module: nn.Module | Callable[[], nn.Module], seed: int) -> nn.Module:
    """Return a copy of a module, or of the one that a function makes, initialized with ``seed``.

    Raises:
        InputError: it is neither a module nor a function that returns one.
    """
    made = module if isinstance(module, nn.Module) or not callable(module) else initialized(module, seed)
    if not isinstance(made, nn.Module):
        got = f"a function that returns a {type(made).__name__}" if callable(module) else f"a {type(made).__name__}"
        raise InputError(f"expected a torch.nn.Module or a function that returns one, got {got}")
    return copy.deepcopy(made)  # it will be moved to another device, which changes a module


def device_of(module: nn.Module, device: torch.device | str | None) -> torch.device:
    """Return the device to compute on: the one given, or else that of the module's parameters.

    Raises:
        InputError: there is no such device.
    """
    if device is None:
        return next((p.device for p in module.parameters()), torch.device("cpu"))
    try:
        torch.empty(0, device=device)
        return torch.device(device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # torch has no one class for this
        line = str(error).strip().partition("\n")[0]
        raise InputError(f"cannot compute on device {str(device)!r}: {line}") from None
