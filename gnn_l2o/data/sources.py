"""The sources of real data: the user's folder, OpenML, and arrays cached from either."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gnn_l2o._utils.cache import cache_folder
from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.files import write_atomically
from gnn_l2o._utils.fingerprint import fingerprint
from gnn_l2o._utils.optional import optional
from gnn_l2o.data.files import Arrays, read_arrays

if TYPE_CHECKING:
    from sklearn.utils import Bunch

VARIABLE = "GNN_L2O_DATA"


def local(path: str) -> Path | None:
    """Return a file of the folder ``$GNN_L2O_DATA``, or ``None`` if there is none.

    Raises:
        InputError: the variable is set, but names no folder.
    """
    folder = os.environ.get(VARIABLE)
    if not folder:
        return None
    if not Path(folder).is_dir():
        raise InputError(f"{VARIABLE} is {folder}, which is not a folder")
    file = Path(folder) / path
    return file if file.is_file() else None


def download(name: str, version: int, *, ways: str) -> Bunch:
    """Return a dataset of openml.org, which scikit-learn downloads, checks and caches.

    Args:
        name: on OpenML.
        version: likewise.
        ways: what an error says about other ways to get the data.

    Raises:
        InputError: it cannot be downloaded.
    """
    with optional("data"):
        from sklearn.datasets import fetch_openml
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of every attempt that fails; the error below is enough
            return fetch_openml(name, version=version, as_frame=False, parser="liac-arff")
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"cannot download {name} from openml.org ({reason}); {ways}") from None


def recall(name: str, key: object, make: Callable[[], Arrays]) -> Arrays:
    """Return arrays that take long to compute, from the cache folder if they were computed before.

    A cache that cannot be read or written is no error: a warning says so, and the arrays are computed.

    Args:
        name: the first part of the file's name.
        key: everything that determines the arrays, see :func:`~gnn_l2o._utils.fingerprint.fingerprint`.
        make: computes them.
    """
    path = cache_folder() / "data" / f"{name}_{fingerprint(key)}.npz"
    if path.is_file():
        try:
            return read_arrays(path)
        except InputError as error:
            warnings.warn(f"{path} is computed again: {error}", stacklevel=2)
    arrays = make()
    try:
        write_atomically(path, lambda temporary: np.savez(temporary, allow_pickle=False, **arrays))
    except OSError as error:
        warnings.warn(f"{name} cannot be cached in {path.parent}: {error}", stacklevel=2)
    return arrays
