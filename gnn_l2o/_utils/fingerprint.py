"""Short hashes of what determines a result, by which equal inputs are recognized."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn


@runtime_checkable
class HasFingerprint(Protocol):
    """An object that states what determines it."""

    def fingerprint_parts(self) -> tuple[Any, ...]:
        """Return the parts that determine this object, as :func:`fingerprint` takes them."""


def fingerprint(*things: Any, rounded: bool = False) -> str:
    """Return a hash that differs wherever the things differ in type, shape or content, precision apart.

    Args:
        things: tensors, modules, mappings, sequences, paths of files (their content counts), classes and functions
            (their names count; :func:`~gnn_l2o._utils.source.source_fingerprint` hashes their code), dataclasses (all
            fields but those with ``compare=False``), what has a method ``fingerprint_parts``, or anything
            that its ``repr`` determines.
        rounded: whether floating-point numbers count to about six digits only, those of a tensor in units of its
            largest: for what is computed, whose last digits differ between processors.

    Example:
        >>> fingerprint(1, "a") == fingerprint(1, "a"), fingerprint(1, "a") == fingerprint("a", 1)
        (True, False)
    """
    digest = hashlib.sha256()
    for part in _parts(things, rounded):
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:32]


def _parts(thing: Any, rounded: bool) -> Iterator[bytes]:
    yield type(thing).__qualname__.encode()
    match thing:
        case type() | types.FunctionType():
            yield f"{thing.__module__}.{thing.__qualname__}".encode()
        case HasFingerprint():
            yield from _parts(thing.fingerprint_parts(), rounded)
        case Tensor():
            numbers = thing.detach().cpu()
            yield f"{numbers.is_floating_point()} {tuple(numbers.shape)}".encode()
            if numbers.is_floating_point():
                numbers = _whole(numbers.double()) if rounded else numbers.double()
            yield numbers.contiguous().numpy().tobytes()
        case nn.Module():
            yield from _parts(repr(thing), rounded)
            yield from _parts(dict(thing.state_dict()), rounded)
            for module in thing.modules():
                yield from _parts(_settings(module), rounded)
        case Mapping():
            for key, value in thing.items():
                yield from _parts(key, rounded)
                yield from _parts(value, rounded)
        case tuple() | list():
            for part in thing:
                yield from _parts(part, rounded)
        case Path():
            yield thing.read_bytes()
        case _ if dataclasses.is_dataclass(thing):
            yield from _parts({f.name: getattr(thing, f.name) for f in dataclasses.fields(thing) if f.compare}, rounded)
        case float() if rounded:
            yield f"{thing:.6g}".encode()
        case _:
            yield repr(thing).encode()


def _whole(numbers: Tensor) -> Tensor:
    """Return real numbers rounded to a millionth of the largest or less, which is their unit, and its exponent."""
    exponent = math.frexp(float(numbers.abs().max()))[1] - 21 if numbers.numel() else 0
    return torch.cat([(numbers.flatten() / 2.0**exponent).round() + 0.0, torch.tensor([float(exponent)]).double()])


def _settings(module: nn.Module) -> dict[str, Any]:
    """Return the attributes of a module that are plain values; its ``repr`` need not show them."""
    return {name: value for name, value in vars(module).items() if isinstance(value, bool | int | float | str)}
