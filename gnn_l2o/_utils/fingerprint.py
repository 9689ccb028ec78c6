"""Short hashes of what decides an outcome, so that equal things are recognized and different ones told apart."""

from __future__ import annotations

import dataclasses
import hashlib
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from gnn_l2o.graph.network import Network

PACKAGE = Path(__file__).resolve().parent.parent


def fingerprint(*things: Any) -> str:
    """Return a hash that differs wherever the things differ in type, shape or content, precision apart.

    Args:
        things: tensors, modules, networks, dataclasses, mappings, sequences, classes, functions (their names
            count), paths of files (their content counts), or anything whose ``repr`` says all.

    Example:
        >>> fingerprint(1, "a") == fingerprint(1, "a"), fingerprint(1, "a") == fingerprint("a", 1)
        (True, False)
    """
    digest = hashlib.sha256()
    for part in _parts(things):
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:32]


def source_code() -> tuple[Path, ...]:
    """Return the files of this package: with the same code, data and settings a computation gives the same result."""
    return tuple(sorted(PACKAGE.rglob("*.py")))


def _parts(thing: Any) -> Iterator[bytes]:
    yield type(thing).__qualname__.encode()
    match thing:
        case Tensor():
            numbers = thing.detach().cpu()
            yield f"{numbers.is_floating_point()} {tuple(numbers.shape)}".encode()
            yield (numbers.double() if numbers.is_floating_point() else numbers).contiguous().numpy().tobytes()
        case nn.Module():
            yield from _parts(repr(thing))
            yield from _parts(dict(thing.state_dict()))
        case Network():
            yield from _parts((thing.link_index, thing.weight, thing.batch))
        case Mapping():
            for key, value in thing.items():
                yield from _parts(key)
                yield from _parts(value)
        case tuple() | list():
            for part in thing:
                yield from _parts(part)
        case Path():
            yield thing.read_bytes()
        case type() | types.FunctionType():
            yield f"{thing.__module__}.{thing.__qualname__}".encode()
        case _ if dataclasses.is_dataclass(thing):
            yield from _parts({f.name: getattr(thing, f.name) for f in dataclasses.fields(thing)})
        case _:
            yield repr(thing).encode()
