"""How a command ends that is stopped from outside: by Ctrl-C, SIGTERM, a closed pipe or a file it cannot write."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TypeGuard

SIGNALS = (signal.SIGINT, signal.SIGTERM)
CLOSED_PIPE = 141  # the exit code that shells report for SIGPIPE, which not every system has


class Terminated(KeyboardInterrupt):
    """SIGTERM asked the process to end."""


def exit_on_signals(program: str) -> None:
    """End at once on Ctrl-C or SIGTERM, while nothing has begun: an exception amid an import may be swallowed.

    Args:
        program: what messages call the command.
    """

    def end(number: int, frame: FrameType | None) -> None:
        print(f"{program}: {_verb(number)} before it began", file=sys.stderr, flush=True)
        os._exit(_exit_code(number))

    _handle(end)


def raise_on_signals() -> None:
    """Raise ``KeyboardInterrupt`` on Ctrl-C and :class:`Terminated` on SIGTERM."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated

    _handle(interrupt)


def end_quietly() -> int:
    """Drop what stdout still holds, after its reader closed the pipe; return the exit code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return CLOSED_PIPE


def is_about(error: BaseException, output: Path | None) -> TypeGuard[OSError]:
    """Tell whether an error is that of a file in the output folder, after which the command can go on another time."""
    if not isinstance(error, OSError) or error.filename is None or output is None:
        return False
    return output in Path(error.filename).parents


def stopped(
    error: KeyboardInterrupt | OSError, program: str, args: argparse.Namespace | None = None, *, is_given: bool = True
) -> int:
    """Say in one line on stderr what stopped a command and how to go on.

    Args:
        error: what stopped it; an ``OSError`` names its file.
        program: what messages call the command.
        args: its ``output``, ``resume`` and ``overwrite`` decide how to go on.
        is_given: whether the output folder was named on the command line.

    Returns:
        The exit code: 130 after Ctrl-C, 143 after SIGTERM, 2 if a file could not be read or written.
    """
    if isinstance(error, OSError):
        what, code = f"error: {error.filename}: {error.strerror}", 2
    else:
        number = signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT
        what, code = _verb(number), _exit_code(number)
    print(f"{program}: {what}{_way_on(args, is_given)}", file=sys.stderr, flush=True)
    return code


def _way_on(args: argparse.Namespace | None, is_given: bool) -> str:
    if args is None or args.output is None:
        return ""
    folder = "" if is_given else f"--output {args.output} "
    flag = (
        "" if args.resume else " with --resume in place of --overwrite" if args.overwrite else f" with {folder}--resume"
    )
    return f"; the same command{flag} goes on from here"


def _handle(handler: Callable[[int, FrameType | None], None]) -> None:
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup and shells in the background set it
            signal.signal(number, handler)


def _verb(number: int) -> str:
    return "interrupted" if number == signal.SIGINT else "terminated"


def _exit_code(number: int) -> int:
    return 128 + number
