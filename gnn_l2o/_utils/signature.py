"""What a function in a Python file declares, read from the source without executing it."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gnn_l2o._utils.errors import InputError

REQUIRED = inspect.Parameter.empty
"""The default of a parameter that has none."""


@dataclass(frozen=True)
class Expression:
    """A default that is no literal, as it stands in the source."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Signature:
    """What a function declares.

    Attributes:
        doc: the docstring without its indentation, perhaps empty.
        line: where the function begins.
        positional: the names of the parameters in front of the ``*``.
        defaults: of the parameters behind the ``*``; :data:`REQUIRED` where there is none.
        annotations: of the parameters behind the ``*``, as they stand in the source; ``None`` where there is none.
        returns: the annotation of what is returned, likewise.
    """

    doc: str
    line: int
    positional: tuple[str, ...]
    defaults: Mapping[str, Any]
    annotations: Mapping[str, str | None]
    returns: str | None


def read_signature(path: Path, name: str) -> Signature | None:
    """Return what the function ``name`` on the top level of a Python file declares; ``None`` if there is none.

    Raises:
        InputError: the file cannot be read or is not valid Python.
    """
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except SyntaxError as error:
        raise InputError(f"{path}, line {error.lineno}: {error.msg}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    return _signature(found[-1]) if found else None


def _signature(function: ast.FunctionDef) -> Signature:
    arguments = function.args
    keyword = {argument.arg: argument for argument in arguments.kwonlyargs}
    return Signature(
        doc=ast.get_docstring(function) or "",
        line=function.lineno,
        positional=tuple(argument.arg for argument in (*arguments.posonlyargs, *arguments.args)),
        defaults={name: _value(node) for name, node in zip(keyword, arguments.kw_defaults, strict=True)},
        annotations={name: _written(argument.annotation) for name, argument in keyword.items()},
        returns=_written(function.returns),
    )


def _written(annotation: ast.expr | None) -> str | None:
    return None if annotation is None else ast.unparse(annotation)


def _value(node: ast.expr | None) -> Any:
    if node is None:
        return REQUIRED
    try:
        return ast.literal_eval(node)
    except ValueError:
        return Expression(ast.unparse(node))
