"""Starts the processes of a test, as torchrun does, without its agent.

They are forks of one process that holds the imports, which take longer than what they do; each has memory, environment
and output of its own, as a process that torchrun starts.
"""

import contextlib
import multiprocessing
import os
import runpy
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

ROOT = Path(__file__).parents[1]
WORKERS = ROOT / "tests" / "workers"
SECONDS = 900  # processes that wait for each other are slow on a busy machine
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["gnn_l2o.cli.evaluate", "gnn_l2o.distributed"])


class Ended(NamedTuple):
    """How a process ended, and what it wrote; one that did not end in time has no code."""

    returncode: int | None
    stdout: str
    stderr: str


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def environments(count: int, port: int | None = None) -> list[dict[str, str]]:
    """The environment of every process; all are on this machine."""
    port = free_port() if port is None else port
    common = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    sizes = {"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count)}
    return [{**common, **sizes, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count)]


def _run(command: Sequence[str], environment: dict[str, str], streams: Sequence[str]) -> None:
    """Run a script in this process, a fork, as ``python script arguments`` does."""
    for path, target in zip(streams, (sys.stdout, sys.stderr), strict=True):
        with open(path, "wb") as file:
            os.dup2(file.fileno(), target.fileno())
    os.environ.clear()
    os.environ.update(environment)
    torch.set_num_threads(1)  # OMP_NUM_THREADS was read at import
    sys.argv = list(command)
    runpy.run_path(command[0], run_name="__main__")


def run_processes(command: Sequence[str | Path], environments: Sequence[dict[str, str]]) -> list[Ended]:
    """Run a script with its arguments once in each environment, at the same time; return how each ended."""
    with tempfile.TemporaryDirectory() as folder:
        streams = [[f"{folder}/{k}.{name}" for name in ("out", "err")] for k in range(len(environments))]
        started = [
            SERVER.Process(target=_run, args=(list(map(str, command)), environment, files))
            for environment, files in zip(environments, streams, strict=True)
        ]
        with contextlib.chdir(ROOT):  # where the server finds what it imports
            for process in started:
                process.start()
        try:
            for process in started:
                process.join(SECONDS)
        finally:
            for process in started:
                process.kill()
        return [
            Ended(process.exitcode, *(Path(file).read_text() for file in files))
            for process, files in zip(started, streams, strict=True)
        ]
