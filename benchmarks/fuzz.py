"""Calls both commands with random arguments and damaged files: each call ends well, or with one line and exit code 2.

Checked of every call: no exception gets out, the exit code is 0 or 2, an error is one line on stderr and nothing on
stdout, and nothing is left in the folder above the output folder, nor a temporary file in it.
``tests/cli/test_fuzz.py`` runs a small count of both kinds, this script as many as it is asked for::

    python benchmarks/fuzz.py --lines 1000 --files 300 --seed 0
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import io
import os
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # where benchmarks is, of which a script knows nothing

from benchmarks.fuzz_files import DAMAGES, damaged_calls
from benchmarks.fuzz_lines import prepare, random_line
from gnn_l2o.cli import evaluate, train

COMMANDS: dict[str, Callable[[list[str]], int]] = {"evaluate.py": evaluate.main, "train_gnn.py": train.main}


@dataclass(frozen=True)
class Outcome:
    """How a call ended.

    Attributes:
        code: the exit code.
        fault: what is wrong with it; empty if nothing is.
        line: the error line, if there is one.
    """

    code: int
    fault: str
    line: str = ""


def call(command: str, arguments: list[str], output: Path) -> Outcome:
    """Call a command, and judge how it ends.

    Args:
        command: one of :data:`COMMANDS`.
        arguments: without ``--output``.
        output: the output folder, in a folder where nothing else is written meanwhile.
    """
    before = _files(output.parent)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            code = COMMANDS[command]([*arguments, "--output", str(output)])
        except SystemExit as exit_:
            code = exit_.code if isinstance(exit_.code, int) else 1
        except Exception:
            return Outcome(1, traceback.format_exc())
    errors = [line for line in err.getvalue().splitlines() if line.startswith(f"{command}: error: ")]
    fault = ""
    if code not in (0, 2):
        fault = f"exit code {code}"
    elif len(errors) != (code == 2) or (code == 2 and not err.getvalue().endswith(f"{errors[0]}\n")):
        fault = f"exit code {code} with the errors {err.getvalue()!r}"
    elif code == 2 and out.getvalue():
        fault = f"an error, and on stdout {out.getvalue()!r:.200}"
    elif "Traceback" in err.getvalue():
        fault = err.getvalue()
    else:
        new = _files(output.parent) - before
        left = {path for path in new if output not in (path, *path.parents) or path.name.startswith(".")}
        fault = f"left behind: {', '.join(map(str, sorted(left)))}" if left else ""
    return Outcome(code, fault, *errors[:1])


def _files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def calls(lines: int, files: int, seed: int, folder: Path) -> Iterator[tuple[str, list[str], Path]]:
    """Yield calls: the command, its arguments and the output folder.

    Args:
        lines: how many have random arguments.
        files: how many read a damaged file.
        seed: of the draws.
        folder: for all files; empty.
    """
    random = np.random.default_rng(seed)
    for number in range(lines):
        room = folder / f"line{number}"
        room.mkdir()
        yield *random_line(random), room / "out"
    yield from damaged_calls(random, files, folder)


@contextlib.contextmanager
def surroundings(folder: Path) -> Iterator[None]:
    """Make an empty folder the working directory and the place of caches and of data, as long as the block runs."""
    names = {"GNN_L2O_CACHE": str(folder / "cache"), "GNN_L2O_DATA": str(folder / "data")}
    (folder / "data").mkdir()
    prepare(folder)
    old, place = {name: os.environ.get(name) for name in names}, Path.cwd()
    os.environ.update(names)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(place)
        for name, value in old.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def main() -> int:
    """Run the script; return 1 if a call ended badly."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--lines", type=int, default=300, help="calls with random arguments")
    parser.add_argument("--files", type=int, default=100, help=f"calls with a damaged file: {', '.join(DAMAGES)}")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    counts: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as name, surroundings(Path(name)):
        for command, arguments, output in calls(given.lines, given.files, given.seed, Path(name)):
            outcome = call(command, arguments, output)
            counts["faults" if outcome.fault else f"exit code {outcome.code}"] += 1
            if outcome.fault:
                print(f"{command} {arguments!r}\n{outcome.fault}\n", flush=True)
    print(", ".join(f"{count} {what}" for what, count in sorted(counts.items())))
    return int(counts["faults"] > 0)


if __name__ == "__main__":
    sys.exit(main())
