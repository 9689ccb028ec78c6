"""Checking that an output folder can be written to, before work begins that needs it in the end."""

import tempfile
from pathlib import Path

from gnn_l2o._utils.errors import InputError


def require_writable(folder: Path) -> None:
    """Check that files can be written into a folder, or into a new one of that path; nothing is left behind.

    Raises:
        InputError: they cannot.
    """
    try:
        existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        if not existing.is_dir():
            raise InputError(f"{existing} is not a folder")
        with tempfile.TemporaryFile(dir=existing) as file:  # permissions alone do not tell: /proc, a full disk
            file.write(b"1")
    except OSError as error:
        raise InputError(f"cannot write there: {error.strerror}") from error
