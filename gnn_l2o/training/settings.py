"""Frozen dataclasses whose values pydantic checks strictly, and whose errors are one line for the user."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable
from typing import Annotated, Any, TypeVar, dataclass_transform

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from gnn_l2o._utils.errors import InputError, unknown

T = TypeVar("T")

_STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True)
_EXPECTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "a text",
    "finite_number": "a finite number",
    "too_short": "a list that is not empty",
}
"""What was expected, by pydantic's types of errors; bounds are worded in :func:`_worded`."""

PositiveInt = Annotated[int, Field(ge=1)]
AsTuple = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
"""Lets a tuple of settings be given as a list, as recipes write it."""


@dataclass_transform(frozen_default=True, field_specifiers=(Field,))
def settings(kind: str) -> Callable[[type[T]], type[T]]:
    """Make a class a frozen dataclass that accepts no value of another type than its annotations say.

    No number stands for another kind of number (2.0 is no whole number, ``True`` is no number at all), and none is nan
    or infinite unless its annotation allows it. A list stands for a tuple where the annotation has :data:`AsTuple`.

    Args:
        kind: what errors call an attribute, ``"training setting"``.

    Raises:
        InputError: by the constructor, for the first value that is wrong, unknown or missing.
    """

    def decorate(cls: type[T]) -> type[T]:
        checked: Any = dataclass(frozen=True, config=_STRICT)(cls)
        construct = checked.__init__

        @functools.wraps(construct)
        def constructor(self: T, *args: Any, **values: Any) -> None:
            try:
                construct(self, *args, **values)
            except ValidationError as error:
                raise _worded(error, kind, [f.name for f in dataclasses.fields(checked)]) from None

        checked.__init__ = constructor
        return checked

    return decorate


def _worded(error: ValidationError, kind: str, known: Iterable[str]) -> InputError:
    """Return the one line for the first of what pydantic found."""
    # A name that does not exist explains the one that is missing, not the other way round.
    found = min(error.errors(include_url=False), key=lambda e: e["type"] != "unexpected_keyword_argument")
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in found["loc"]).lstrip(".")
    given, context = found["input"], found.get("ctx", {})
    match found["type"]:
        case "value_error" if isinstance(context["error"], InputError):
            return _located(context["error"], path if "[" in path else "")
        case "unexpected_keyword_argument":
            return unknown(kind, path, known)
        case "missing":
            return InputError(f"the {kind} {path} is missing")
        case "tuple_type":
            example = f"; expected {path} = [{_toml(given)}]" if isinstance(given, str | int | float) else ""
            return InputError(f"{path} is a list, got {given!r}{example}")
        case "greater_than" if context["gt"] == 0:
            return InputError(f"{path} is positive, got {given!r}")
        case "greater_than_equal":
            return InputError(f"{path} is at least {context['ge']:g}, got {given!r}")
        case "less_than":
            return InputError(f"{path} is less than {context['lt']:g}, got {given!r}")
        case other if other in _EXPECTED:
            return InputError(f"{path} is {_EXPECTED[other]}, got {given!r}")
    return InputError(f"{path}: {' '.join(found['msg'].split())}, got {given!r}")


def _located(error: InputError, path: str) -> InputError:
    """Return an error of an attribute that has settings of its own, with the place of that attribute in front."""
    if not path:
        return error
    located = InputError(f"{path}: {error}")
    located.given = error.given
    return located


def _toml(value: str | float) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
