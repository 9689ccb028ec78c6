"""Importing what only some users need."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager

from gnn_l2o._utils.errors import InputError

DISTRIBUTIONS = {"PIL": "pillow", "sklearn": "scikit-learn"}  # where they have another name than the module


@contextmanager
def optional(extra: str) -> Iterator[None]:
    """Say how to install what the imports inside need, if it is missing.

    Args:
        extra: of this package in which it is, ``"report"``.

    Raises:
        InputError: a module is missing.

    Example:
        >>> with optional("data"):
        ...     import no_such_module
        Traceback (most recent call last):
        gnn_l2o._utils.errors.InputError: no_such_module is missing; pip install 'gnn-l2o[data]' installs it
    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "a module").partition(".")[0]
        missing = DISTRIBUTIONS.get(module, module)
        raise InputError(f"{missing} is missing; pip install 'gnn-l2o[{extra}]' installs it") from error


def require(extra: str, module: str) -> None:
    """Check that a module of an extra is installed, before work begins that needs it in the end.

    Raises:
        InputError: the module is missing.
    """
    with optional(extra):
        importlib.import_module(module)
