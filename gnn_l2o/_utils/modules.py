"""Loading Python files by their path."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import types
from pathlib import Path

from gnn_l2o._utils.errors import InputError


def load_module(kind: str, path: str | Path) -> types.ModuleType:
    """Execute a Python file and return it as a module under a private name, so that it shadows nobody's.

    Args:
        kind: what errors call the file, ``"method"``.
        path: of the file.

    Raises:
        InputError: there is no such file.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"there is no {kind} file {path}")
    file = file.resolve()
    name = f"_gnn_l2o_plugin_{hashlib.sha256(str(file).encode()).hexdigest()[:12]}_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses and pickling look for it
    spec.loader.exec_module(module)
    return module
