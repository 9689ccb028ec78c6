"""Starts the processes of a test, as torchrun does, without its agent."""

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

WORKERS = Path(__file__).parent / "workers"
SECONDS = 900  # processes that wait for each other are slow on a busy machine


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


def run_processes(command: Sequence[str], count: int) -> list[subprocess.CompletedProcess[str]]:
    """Run a Python command in so many processes; return how each ended, its output and its errors."""
    started = [
        subprocess.Popen(
            [sys.executable, *command], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for environment in environments(count)
    ]
    try:
        ended = [process.communicate(timeout=SECONDS) for process in started]
    finally:
        for process in started:
            process.kill()
    return [
        subprocess.CompletedProcess(process.args, process.returncode, *streams)
        for process, streams in zip(started, ended, strict=True)
    ]
