"""Folders into which one process writes at a time."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from gnn_l2o._utils.errors import InputError, about
from gnn_l2o._utils.files import remove_temporaries

LOCK = ".lock"


@dataclass(frozen=True)
class OutputFolder:
    """A folder into which this process alone writes.

    Attributes:
        path: of the folder.
        lock: what tells the lock file in it from any other file.
    """

    path: Path
    lock: os.stat_result

    @property
    def is_there(self) -> bool:
        """Whether the folder is still the one that was claimed."""
        try:
            return os.path.samestat(self.lock, (self.path / LOCK).stat())
        except OSError:
            return False

    def check(self) -> None:
        """Check, before writing and at the end, that the folder was neither deleted nor replaced by another.

        Raises:
            InputError: it was.
        """
        if not self.is_there:
            with about(output=self.path):
                raise InputError("the folder was deleted, moved or replaced while results were written into it")


@contextmanager
def claimed(path: Path, *subfolders: str) -> Iterator[OutputFolder]:
    """Keep other processes out of a folder.

    The lock is the operating system's and ends with the process, however that ends. Temporary files that a killed
    process left are deleted.

    Args:
        path: of the folder; created if it is missing, and removed again if nothing was written into it.
        *subfolders: of it, into which the process writes too.

    Raises:
        InputError: another process writes into the folder.
        OSError: it cannot be created or written.
    """
    created = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    file = path / LOCK
    lock = FileLock(file)
    owner = _content(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        with about(output=path):
            raise InputError(f"{owner} writes into it; wait until it has ended, or name another folder") from None
    folder = OutputFolder(path, file.stat())
    try:
        file.write_text(f"process {os.getpid()} on {platform.node()}", encoding="utf-8")
        for place in (path, *(path / name for name in subfolders)):
            remove_temporaries(place)
        yield folder
        folder.check()
    finally:
        if folder.is_there:
            file.unlink()
        lock.release()
        for empty in created:
            with suppress(OSError):  # something was written into it
                empty.rmdir()


def _content(file: Path) -> str:
    """Return who claimed a folder; some versions of filelock empty the file when they try to lock it."""
    with suppress(OSError):
        return file.read_text(encoding="utf-8") or "another process"
    return "another process"
