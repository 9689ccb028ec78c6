"""Writing files atomically: a crash leaves the old file or the new one, never a part of either."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from gnn_l2o._utils.errors import InputError


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then move it into place.

    Args:
        path: the file to write or replace; its folder is created if it is missing.
        write: called with the path of the temporary file, which has the suffix of ``path``.

    Raises:
        OSError: the file cannot be written; names ``path``.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        write(temporary)
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp creates files that only their owner can read
        os.replace(temporary, path)
    except OSError as error:  # which names the temporary file, or none where the disk is full
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write text atomically, in UTF-8."""
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def require_writable(folder: Path) -> None:
    """Check that files can be written into a folder, or into a new one of that path; nothing is left behind.

    Raises:
        InputError: it cannot.
    """
    try:
        existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        if not existing.is_dir():
            raise InputError(f"{existing} is not a folder")
        with tempfile.TemporaryFile(dir=existing) as file:  # permissions alone do not tell: /proc, a full disk
            file.write(b"1")
    except OSError as error:
        raise InputError(f"cannot write there: {error.strerror}") from error
