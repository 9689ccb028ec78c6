"""Loading Python files by their path, and saying where an error arose in one."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
import types
from pathlib import Path

from gnn_l2o._utils.errors import InputError

_PREFIX = "_gnn_l2o_plugin_"  # of the names of such modules


def load_module(kind: str, path: str | Path) -> types.ModuleType:
    """Execute a Python file and return the module, under a private name that shadows no other module.

    Args:
        kind: what errors call the file, ``"method"``.
        path: of the file.

    Raises:
        InputError: there is no such file, or executing the file raises an exception.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"there is no {kind} file {path}")
    file = file.resolve()
    name = f"{_PREFIX}{hashlib.sha256(str(file).encode()).hexdigest()[:12]}_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is no Python file; the name of a {kind} file ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look a class's module up there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise InputError(f"{file}{_line(error, file)}: {_message(error)}") from error
    return module


def raised_in_plugin(error: BaseException) -> str | None:
    """Return where an exception passed through a file that was loaded by its path, and what it says, in one line.

    ``"/home/me/mine.py, line 3: ZeroDivisionError: division by zero"``; ``None`` if it passed through none.
    """
    places = [
        (frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_globals.get("__name__", "").startswith(_PREFIX)
    ]
    return f"{places[-1][0]}, line {places[-1][1]}: {_message(error)}" if places else None


def _line(error: BaseException, file: Path) -> str:
    """Return the last line of the file that was reached, ``", line 3"``."""
    if isinstance(error, SyntaxError) and error.filename == str(file):
        return f", line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    return f", line {lines[-1]}" if lines else ""


def _message(error: BaseException) -> str:
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {' '.join(text.split())}"
