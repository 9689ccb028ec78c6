"""Comparing objects by structure: whether two separately built modules or losses are the same function."""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

_MODULE_STATE = ("_parameters", "_buffers", "_modules")


def difference(first: object, second: object, what: str) -> str | None:
    """Return the first thing in which two objects differ, in words, or ``None`` if they are equal.

    Modules are equal if they have the same classes, trainable parameters of the same names and shapes, and otherwise
    equal parts: frozen parameters, buffers, attributes, hooks. Functions of a module's top level are equal by name and
    code. Lambdas, closures and other objects that cannot be compared are equal only if they are the same object.

    Args:
        first: the one.
        second: the other.
        what: what messages call the two.

    Example:
        >>> difference(nn.SmoothL1Loss(), nn.SmoothL1Loss(beta=0.5), "the loss")
        'the loss.beta is 1.0 in one and 0.5 in the other'
    """
    return next(_differences(first, second, what, {}), None)


def _differences(a: Any, b: Any, what: str, compared: dict[tuple[int, int], object]) -> Iterator[str]:
    """Yield what differs, without comparing a pair again: objects may refer to each other."""
    if a is b or (id(a), id(b)) in compared:
        return
    compared[id(a), id(b)] = (a, b)  # which keeps both alive, so that no other object gets their numbers
    if not _same_class(type(a), type(b)):
        yield f"{what} is {_spell(a)} in one and {_spell(b)} in the other"
        return
    match a:
        case Tensor():
            if isinstance(a, nn.Parameter) and a.requires_grad and b.requires_grad:
                if a.shape != b.shape:
                    yield f"{what} has the shape {tuple(a.shape)} in one and {tuple(b.shape)} in the other"
            elif a.requires_grad != b.requires_grad:
                yield f"{what} is trained in one only"
            elif (a.shape, a.dtype, a.device) != (b.shape, b.dtype, b.device) or not torch.equal(a, b):
                yield f"{what} has other numbers in one than in the other"
        case np.ndarray():
            if not np.array_equal(a, b):
                yield f"{what} has other numbers in one than in the other"
        case nn.Module():
            for state in _MODULE_STATE:
                yield from _differences(getattr(a, state), getattr(b, state), what, compared)
            yield from _differences(_attributes(a), _attributes(b), what, compared)
        case Mapping():
            if list(a) != list(b):
                yield f"{what} has {_names(a)} in one and {_names(b)} in the other"
            else:
                for key in a:
                    yield from _differences(a[key], b[key], f"{what}.{key}", compared)
        case list() | tuple():
            if len(a) != len(b):
                yield f"{what} has {len(a)} parts in one and {len(b)} in the other"
            else:
                for k, (one, other) in enumerate(zip(a, b, strict=True)):
                    yield from _differences(one, other, f"{what}[{k}]", compared)
        case functools.partial():
            yield from _differences(a.func, b.func, what, compared)
            yield from _differences(a.args, b.args, what, compared)
            yield from _differences(a.keywords, b.keywords, what, compared)
        case types.MethodType():
            yield from _differences(a.__func__, b.__func__, what, compared)
            yield from _differences(a.__self__, b.__self__, what, compared)
        case types.FunctionType():
            if not _same_function(a, b):
                yield f"{what} is the function {a.__qualname__} in one and {b.__qualname__}, another, in the other"
            else:
                yield from _differences(a.__defaults__, b.__defaults__, what, compared)
                yield from _differences(a.__kwdefaults__, b.__kwdefaults__, what, compared)
        case type():
            if not _same_class(a, b):
                yield f"{what} is {a.__qualname__} in one and {b.__qualname__}, another, in the other"
        case _ if dataclasses.is_dataclass(a):
            yield from _differences(vars(a), vars(b), what, compared)
        case _ if any("__eq__" in vars(c) for c in type(a).__mro__[:-1]):
            if not _equal(a, b):
                yield f"{what} is {_spell(a)} in one and {_spell(b)} in the other"
        case _ if hasattr(a, "__dict__"):
            yield from _differences(vars(a), vars(b), what, compared)
        case _:
            yield f"{what} is a {type(a).__qualname__} that cannot be compared, one of its own in each"


def _attributes(module: nn.Module) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if name not in _MODULE_STATE}


def _same_class(a: type, b: type) -> bool:
    """Tell whether classes are the same, or of one name and with the same code, as when a file is loaded twice."""
    if a is b:
        return True
    if (a.__module__, a.__qualname__) != (b.__module__, b.__qualname__) or "<locals>" in a.__qualname__:
        return False
    ours, theirs = ({k: v.__code__ for k, v in vars(c).items() if isinstance(v, types.FunctionType)} for c in (a, b))
    return ours == theirs


def _same_function(a: types.FunctionType, b: types.FunctionType) -> bool:
    comparable = "<" not in a.__qualname__ and a.__closure__ is None and b.__closure__ is None
    same_name = (a.__module__, a.__qualname__) == (b.__module__, b.__qualname__)
    return comparable and same_name and a.__code__ == b.__code__


def _equal(a: object, b: object) -> bool:
    try:
        return bool(a == b)
    except Exception:  # such as arrays of other libraries, whose comparison is no single truth
        return False


def _spell(thing: object) -> str:
    short = isinstance(thing, bool | int | float | complex | str | torch.dtype) or thing is None
    return repr(thing)[:80] if short else type(thing).__qualname__


def _names(keys: Sequence[object] | Mapping[Any, Any]) -> str:
    return ", ".join(map(str, keys)) or "nothing"
