"""Short hashes of what determines a result, by which equal inputs are recognized."""

from __future__ import annotations

import dataclasses
import hashlib
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn


@runtime_checkable
class HasFingerprint(Protocol):
    """An object that states what determines it."""

    def fingerprint_parts(self) -> tuple[Any, ...]:
        """Return the parts that determine this object, as :func:`fingerprint` takes them."""


def fingerprint(*things: Any) -> str:
    """Return a hash that differs wherever the things differ in type, shape or content, precision apart.

    Args:
        things: tensors, modules, mappings, sequences, paths of files (their content counts), classes and functions
            (their names count; :func:`~gnn_l2o._utils.source.source_fingerprint` hashes their code), dataclasses (all
            fields but those with ``compare=False``), what has a method ``fingerprint_parts``, or anything
            that its ``repr`` determines.

    Example:
        >>> fingerprint(1, "a") == fingerprint(1, "a"), fingerprint(1, "a") == fingerprint("a", 1)
        (True, False)
    """
    digest = hashlib.sha256()
    for part in _parts(things):
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:32]


def _parts(thing: Any) -> Iterator[bytes]:
    yield type(thing).__qualname__.encode()
    match thing:
        case type() | types.FunctionType():
            yield f"{thing.__module__}.{thing.__qualname__}".encode()
        case HasFingerprint():
            yield from _parts(thing.fingerprint_parts())
        case Tensor():
            numbers = thing.detach().cpu()
            yield f"{numbers.is_floating_point()} {tuple(numbers.shape)}".encode()
            yield (numbers.double() if numbers.is_floating_point() else numbers).contiguous().numpy().tobytes()
        case nn.Module():
            yield from _parts(repr(thing))
            yield from _parts(dict(thing.state_dict()))
            for module in thing.modules():
                yield from _parts(_settings(module))
        case Mapping():
            for key, value in thing.items():
                yield from _parts(key)
                yield from _parts(value)
        case tuple() | list():
            for part in thing:
                yield from _parts(part)
        case Path():
            yield thing.read_bytes()
        case _ if dataclasses.is_dataclass(thing):
            yield from _parts({f.name: getattr(thing, f.name) for f in dataclasses.fields(thing) if f.compare})
        case _:
            yield repr(thing).encode()


def _settings(module: nn.Module) -> dict[str, Any]:
    """Return the attributes of a module that are plain values; its ``repr`` need not show them."""
    return {name: value for name, value in vars(module).items() if isinstance(value, bool | int | float | str)}
