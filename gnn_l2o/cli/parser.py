"""What the two commands share: flags with checked values, the folder without one, errors in one line, exit codes."""

from __future__ import annotations

import argparse
import itertools
import warnings
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.modules import raised_in_plugin
from gnn_l2o._version import __version__

if TYPE_CHECKING:
    import torch

EXIT_CODES = (
    "exit codes: 0 done; 1 a defect of the program, with a traceback; 2 wrong input, with one line that names it; "
    "130 interrupted by Ctrl-C; 143 terminated by SIGTERM; 141 the reader of its output has left"
)
MAX_THREADS = 1024


class _Help(argparse.HelpFormatter):
    """Shows the defaults of flags that have one and do not say it themselves."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        default = action.default
        if (
            not action.help
            or "default" in action.help
            or isinstance(default, bool | None)
            or default == argparse.SUPPRESS
        ):
            return action.help
        values = default if isinstance(default, list) else [default]
        return f"{action.help} (default: {' '.join(map(str, values))})"


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line on stderr, and exit code 2."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, epilog=EXIT_CODES, allow_abbrev=False, formatter_class=_Help)
        version = f"gnn-l2o {__version__}"
        self.add_argument("--version", action="version", version=version, help="show the version, and exit")

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())}\n")

    def refuse(self, error: Exception | SystemExit) -> NoReturn:
        """Exit with the line for an error that a user can act on; raise any other again.

        Such are an InputError, what the file system or the memory refuses, and what a plug-in file raises.

        Raises:
            BrokenPipeError: the error is that of a closed pipe.
        """
        match error:
            case BrokenPipeError() | SystemExit(__context__=BrokenPipeError()):  # rich turns the one into the other
                raise BrokenPipeError
            case InputError():
                self.error(error.on_command_line())
            case OSError(filename=str(name), strerror=str(reason)):
                self.error(f"{name}: {reason}")
        place = raised_in_plugin(error)
        if place is None and isinstance(error, OSError | MemoryError):
            place = f"{type(error).__name__}: {error}"
        if place is None:
            raise error
        self.error(place)


def whole_number(minimum: int, maximum: int) -> Callable[[str], int]:
    """Return the type of a flag that takes whole numbers between two."""

    def read(text: str) -> int:
        if not text.isdecimal() or not minimum <= int(text) <= maximum:
            raise argparse.ArgumentTypeError(f"expected a whole number from {minimum} to {maximum}, got {text!r}")
        return int(text)

    return read


def folder(text: str) -> Path:
    """Return the value of a flag that takes a folder."""
    if not text:
        raise argparse.ArgumentTypeError("expected a folder, got ''")
    return Path(text)


def default_folder() -> Path:
    """Return the output folder of a command that names none: a new one that says when it was begun."""
    name = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    candidates = (Path("out") / (name if k == 1 else f"{name}_{k}") for k in itertools.count(1))
    return next(folder for folder in candidates if not folder.exists())


def device(text: str) -> torch.device:
    """Return the value of a flag that takes a device of torch, after trying it."""
    import torch  # takes seconds, which a parser without this flag spares

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on devices that torch is to forget
            torch.zeros(1, device=text).item()
    except Exception:  # torch raises errors of many kinds for devices that are not there
        here = ["cpu", *(name for name in ("cuda", "mps", "xpu") if getattr(torch, name).is_available())]
        raise argparse.ArgumentTypeError(
            f"torch cannot compute on {text!r} here; expected {' or '.join(here)}"
        ) from None
    return torch.device(text)
