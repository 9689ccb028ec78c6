"""Kills both commands at random instants and counts how often a resumed run ends in other results than a whole one.

Run it with ``python benchmarks/kills.py``, perhaps ``--kills 20 --seed 1``. A command runs in a process of its own and
is killed (SIGKILL) at an instant drawn uniformly from the CPU time that an undisturbed run takes, imports apart; then
the same command with ``--resume``, and so on until one ends. Training writes a checkpoint after every batch. Everything
in the output folder must then be what the undisturbed run wrote, bit for bit, but for times.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout, suppress
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from unittest import mock

import psutil
import torch

from gnn_l2o._utils.files import TEMPORARY
from gnn_l2o.cli import evaluate, train
from gnn_l2o.evaluation.results_file import RESULTS
from gnn_l2o.training import TrainingRun
from gnn_l2o.training.checkpoint import CHECKPOINT

PROBLEMS = ["--dataset", "lasso:features=8,samples=6", "--topology", "erdos_renyi", "--nodes", "4"]
STAGES = [
    {"lr": 0.01, "truncation_length": 5, "iterations": 10, "epochs": 1},
    {"lr": 0.005, "truncation_length": 5, "iterations": 10, "epochs": 1},
]
ARGUMENTS = {
    "train": [
        *PROBLEMS,
        *("--problems", "10", "--batch_size", "1", "--validation_problems", "2", "--validation_iterations", "20"),
        *("--hidden_features", "4", "--ema", "0.5"),
    ],
    "evaluate": [
        *PROBLEMS,
        *("--model", "milodo_gnn", "--algorithms", "prox_ed", "pg_extra", "--limits", "none"),
        *("--metrics", "optimality_gap", "--instances", "2", "--iterations", "60"),
        *("--tuning_budget", "4", "--tuning_instances", "1"),
    ],
}
MARK = {"train": CHECKPOINT, "evaluate": RESULTS}  # the file from which the command resumes
TIMED = (".md", "curve.csv", ".svg")  # these say when they were made, how long it took, or by which command
MODULES = ["gnn_l2o.cli.train", "gnn_l2o.cli.evaluate", "matplotlib.figure", "scipy.signal"]
PROCESSES = multiprocessing.get_context("forkserver")  # they are imported once, as that takes longer than a run


def run(command: str, arguments: list[str], folder: Path) -> None:
    """Run a command, with a cache and a log of its own."""
    os.environ["GNN_L2O_CACHE"] = str(folder / "cache")
    torch.set_num_threads(1)
    eager = partial(TrainingRun, checkpoint_seconds=0)
    with (
        (folder / "log").open("a") as log,
        redirect_stdout(log),
        redirect_stderr(log),
        mock.patch.object(train, "TrainingRun", eager),
    ):
        sys.exit({"train": train.main, "evaluate": evaluate.main}[command](arguments))


def started(command: str, folder: Path, *, resume: bool) -> BaseProcess:
    """Start a command that writes into ``folder / "out"``; return its process."""
    arguments = [*ARGUMENTS[command], "--output", str(folder / "out"), *(["--resume"] if resume else [])]
    if command == "train":
        (folder / "stages.json").write_text(json.dumps(STAGES))
        arguments += ["--stages_config", str(folder / "stages.json")]
    process = PROCESSES.Process(target=run, args=(command, arguments, folder))
    process.start()
    return process


def watch(process: BaseProcess, seconds: float = math.inf) -> float:
    """Wait until a process has ended or used so much CPU time; return what it used."""
    watched, used = psutil.Process(process.pid), 0.0
    while process.exitcode is None and used < seconds:
        time.sleep(0.005)
        with suppress(psutil.Error):  # it has just ended
            times = watched.cpu_times()
            used = times.user + times.system
    return used


def killed_until_it_ends(command: str, folder: Path, seconds: float, instants: random.Random) -> Counter[str]:
    """Kill a command and resume it until it ends; return what it was doing when it was killed, and how often.

    Args:
        command: ``"train"`` or ``"evaluate"``.
        folder: for its output, its cache and the like.
        seconds: of CPU time that it takes undisturbed.
        instants: draws when it is killed.
    """
    kills: Counter[str] = Counter()
    while True:
        process = started(command, folder, resume=kills.total() > 0)
        watch(process, instants.uniform(0, seconds))
        if process.exitcode is None:
            process.kill()
            process.join()
        if process.exitcode == 0:
            return kills
        if process.exitcode != -9:
            log = (folder / "log").read_text()
            raise SystemExit(f"{command} ended with exit code {process.exitcode} after {dict(kills)}:\n{log}")
        kills[_instant(folder / "out", MARK[command])] += 1


def _instant(output: Path, mark: str) -> str:
    if any(output.rglob(f"{TEMPORARY}*")):
        return "in the middle of a write"
    return f"after {mark} was written" if (output / mark).exists() else f"before {mark} was written"


def content(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder; those that hold times without them, or not at all."""
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    if CHECKPOINT in found:
        found[CHECKPOINT] = repr(_untimed(torch.load(folder / CHECKPOINT, weights_only=True))).encode()
    if RESULTS in found:
        found[RESULTS] = repr(_untimed(json.loads(found[RESULTS]))).encode()
    return {name: b"" if name.endswith(TIMED) else value for name, value in found.items()}


def _untimed(value: Any) -> Any:
    match value:
        case Mapping():
            return {k: _untimed(v) for k, v in value.items() if k not in ("seconds", "command")}
        case list() | tuple():
            return [_untimed(v) for v in value]
    return value.tolist() if isinstance(value, torch.Tensor) else value


def main() -> int:
    """Kill, and print what came of it; the exit code is 1 if results differed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=200, metavar="N", help="kills of each command, at least")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the instants")
    args = parser.parse_args()
    PROCESSES.set_forkserver_preload(MODULES)
    different = sum(kill(command, args.kills, random.Random(args.seed)) for command in ARGUMENTS)
    return int(different > 0)


def kill(command: str, number: int, instants: random.Random) -> int:
    """Kill a command so many times at least, and print where; return how many runs ended differently."""
    kills, runs, different = Counter[str](), 0, 0
    with tempfile.TemporaryDirectory() as name:
        for whole in (Path(name) / "first", Path(name) / "whole"):  # before the first, modules are imported
            whole.mkdir()
            seconds = watch(started(command, whole, resume=False))
        if content(Path(name) / "first" / "out") != content(whole / "out"):
            raise SystemExit(f"two undisturbed runs of {command} differ")
        while kills.total() < number:
            runs += 1
            folder = Path(name) / str(runs)
            folder.mkdir()
            kills += killed_until_it_ends(command, folder, seconds, instants)
            different += content(folder / "out") != content(whole / "out")
            print(f"{command}: {kills.total()} kills in {runs} runs, {different} differ", file=sys.stderr)
    where = ", ".join(f"{count} {instant}" for instant, count in sorted(kills.items()))
    print(f"{command} ({seconds:.1f} s): {kills.total()} kills ({where}); {different} of {runs} runs differ")
    return different


if __name__ == "__main__":
    sys.exit(main())
