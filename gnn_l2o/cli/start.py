"""Starts the commands, from the scripts of a checkout or from those of an installation."""

from __future__ import annotations

import importlib
import sys
from typing import Literal

from gnn_l2o._utils.errors import InputError
from gnn_l2o.cli.interruption import end_quietly, exit_on_signals, raise_on_signals, stopped
from gnn_l2o.cli.parser import Parser

SCRIPT = ".py"


def start(command: Literal["evaluate", "train"], program: str) -> int:
    """Run a command with the arguments of the process; return its exit code.

    Args:
        command: a module of this package.
        program: what messages call it.
    """
    exit_on_signals(program)
    Parser(prog=program, add_help=False).parse_known_args()  # prints --version before the imports that take seconds
    try:
        module = importlib.import_module(f"gnn_l2o.cli.{command}")
    except InputError as error:  # an optional package is missing
        print(f"{program}: error: {error}", file=sys.stderr)
        return 2
    try:
        raise_on_signals()
        try:
            return module.main(program=program)
        finally:
            sys.stdout.flush()  # while an error of it can still be caught
    except KeyboardInterrupt as error:  # before main could say how to go on
        return stopped(error, program)
    except BrokenPipeError:
        return end_quietly()


def invocation(program: str) -> list[str]:
    """Return how a command is called: a script by Python, an installed command by its name."""
    return ["python", program] if program.endswith(SCRIPT) else [program]


def evaluate() -> int:
    """Run ``gnn-l2o-evaluate``."""
    return start("evaluate", "gnn-l2o-evaluate")


def train() -> int:
    """Run ``gnn-l2o-train``."""
    return start("train", "gnn-l2o-train")
