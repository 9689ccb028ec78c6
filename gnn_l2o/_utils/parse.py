"""Reading TOML and JSON files, with one line for the user where that fails."""

import json
import math
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gnn_l2o._utils.errors import InputError


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file.

    Raises:
        InputError: the file cannot be read, or is no TOML.
    """
    return _parsed(path, tomllib.loads)


def read_json(path: Path) -> Any:
    """Return the content of a JSON file, whose numbers are finite.

    Raises:
        InputError: the file cannot be read, or is no JSON.
    """
    return _parsed(path, lambda text: json.loads(text, parse_float=_finite, parse_constant=_finite))


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no finite number")
    return value


def _parsed(path: Path, parse: Callable[[str], Any]) -> Any:
    try:
        return parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:  # no UTF-8, or a syntax error; both parsers derive theirs from it
        raise InputError(f"{path} cannot be read: {error}") from None
    except RecursionError:
        raise InputError(f"{path} cannot be read: its lists or tables are nested too deeply") from None
