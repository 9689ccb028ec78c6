"""Writing files atomically: a crash leaves the old file or the new one, never a part of either."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

TEMPORARY = ".writing-"  # begins the names of temporary files


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then move it into place.

    Args:
        path: the file to write or replace; its folder is created if it is missing.
        write: called with the path of the temporary file, which has the suffix of ``path``.

    Raises:
        OSError: the file cannot be written; it names ``path``.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{TEMPORARY}{path.stem}.", suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        try:
            write(temporary)
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)  # mkstemp creates files that only their owner can read
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_text(path: Path, text: str) -> None:
    """Write text atomically, in UTF-8."""
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes atomically."""
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


def remove_temporaries(folder: Path) -> None:
    """Delete the temporary files that a killed process left in a folder into which no other process writes."""
    for path in folder.glob(f"{TEMPORARY}*"):
        path.unlink(missing_ok=True)
