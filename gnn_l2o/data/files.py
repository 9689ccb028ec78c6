"""Reading files of data that may be broken, cut short, or far larger than they should be."""

import gzip
import zipfile
import zlib
from pathlib import Path

import numpy as np

from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.memory import require_memory

Arrays = dict[str, np.ndarray]


def read_limited(file: Path, limit: int) -> bytes:
    """Return the content of a file, unpacked if its name ends in ``.gz``; no more than ``limit`` bytes are read.

    Raises:
        InputError: the file cannot be read, or holds more.
    """
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            content = stream.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot read {file} ({error})") from None
    if len(content) > limit:
        raise InputError(f"{file} holds more than {limit:,} bytes, which is more than such data has")
    return content


def read_arrays(file: Path, *names: str) -> Arrays:
    """Return arrays of an ``.npz`` file, by name.

    Args:
        file: the path.
        names: of the arrays; by default all.

    Raises:
        InputError: the file cannot be read, lacks one of them, or does not fit into memory.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            require_memory(str(file), sum(entry.file_size for entry in archive.infolist()))
        with np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in names or arrays}
    except InputError:
        raise
    except Exception as error:  # numpy and zipfile raise errors of many kinds for other content
        expected = f"; expected the arrays {' and '.join(names)}" if names else ""
        raise InputError(f"cannot read {file} ({error}){expected}") from None
