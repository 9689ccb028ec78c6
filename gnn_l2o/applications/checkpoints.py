"""The files from which an interrupted run goes on."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from gnn_l2o._utils.errors import InputError, about
from gnn_l2o._utils.files import write_atomically
from gnn_l2o._utils.fingerprint import fingerprint
from gnn_l2o.algorithms.base import Cost, SetupCost
from gnn_l2o.algorithms.driver import Driver
from gnn_l2o.algorithms.plain_state import plain, restored

KEPT = 2
"""How many files are kept: processes that are killed together may differ by one."""


class Checkpoints:
    """Keeps the last files of a run in a folder, each written atomically.

    Args:
        folder: where they are.
        every: iterations from one to the next, at least.
        name: begins the names of the files; each process has its own.
        choose: is given the iterations of the files that are there, ascending, and returns which one to go on from;
            ``None`` for none. By default the last.

    Raises:
        InputError: ``every`` is below 1.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        every: int = 50,
        name: str = "run",
        choose: Callable[[Sequence[int]], int | None] = lambda found: max(found, default=None),
    ) -> None:
        if every < 1:
            raise InputError(f"checkpoints are at least 1 iteration apart, got every={every}")
        self._folder, self._every, self._name, self._choose = Path(folder), every, name, choose
        self._kept: list[int] = []  # of this run; others there are older, or of an end that other processes did not see

    def resume(self, driver: Driver[Any]) -> tuple[Driver[Any], list[dict[str, float]]]:
        """Return a driver that goes on from a file, and the rows of the trace before; without a file the same driver.

        The row of where it goes on is measured again, so that a stopping rule that ended the run there does so again.

        Raises:
            InputError: the file cannot be read, or is of another run.
        """
        chosen = self._choose(sorted(self._found()))
        if chosen is None:
            return driver, []
        path = self._path(chosen)
        with about(checkpoint=path):
            content = _read(path)
            differing = [name for name, value in _identity(driver).items() if content["run"].get(name) != value]
            if differing:
                raise InputError(f"it is of a run with another {' and another '.join(differing)}; remove it to begin")
        self._kept = [chosen]
        vars(driver.network.traffic).update(content["traffic"])
        resumed = Driver.resume(
            driver.algorithm,
            driver.problem,
            driver.network,
            restored(content["state"]),
            content["iteration"],
            cost=Cost(**content["cost"]),
            seconds=content["seconds"],
            told=SetupCost(*content["told"]),
        )
        return resumed, content["rows"][:-1]

    def save(self, driver: Driver[Any], rows: list[dict[str, float]]) -> None:
        """Write a file if the last one is old enough; all but the last two go."""
        if driver.iteration - (self._kept[-1] if self._kept else 0) < self._every:
            return
        content = {
            "run": _identity(driver),
            "iteration": driver.iteration,
            "state": plain(driver.state),
            "cost": vars(driver.cost),
            "seconds": driver.seconds,
            "told": list(driver.told),
            "traffic": vars(driver.network.traffic),
            "rows": rows,
        }
        write_atomically(self._path(driver.iteration), lambda path: torch.save(content, path))
        self._kept = [*self._kept, driver.iteration][-KEPT:]
        for other in set(self._found()) - set(self._kept):
            self._path(other).unlink(missing_ok=True)

    def _path(self, iteration: int) -> Path:
        return self._folder / f"{self._name}-{iteration}.pt"

    def _found(self) -> list[int]:
        names = (re.fullmatch(rf"{re.escape(self._name)}-(\d+)\.pt", path.name) for path in self._folder.glob("*.pt"))
        return [int(match[1]) for match in names if match]


def _read(path: Path) -> dict[str, Any]:
    try:
        content = torch.load(path, weights_only=True)
    except Exception as error:  # torch raises errors of many kinds for files that are not its own
        raise InputError(f"the checkpoint cannot be read: {' '.join(str(error).split())[:160]}") from None
    if not isinstance(content, dict) or not {"run", "iteration", "state", "cost", "rows"} <= content.keys():
        raise InputError("this is no checkpoint of a run")
    return content


def _identity(driver: Driver[Any]) -> dict[str, str]:
    """Fingerprints of what decides the iterates, the same on every processor."""
    problem = driver.problem
    start = problem.initial_point().to(driver.x)
    decisive = {
        "network": driver.network,
        "optimizer": driver.algorithm,
        "problem": (problem.regularizer, start, problem.smoothness(), problem.local_gradient(start)),
    }
    return {name: fingerprint(thing, rounded=True) for name, thing in decisive.items()}
