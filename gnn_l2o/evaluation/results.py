"""What an evaluation found: the records, the file they are kept in, and their summary."""

from __future__ import annotations

import csv
import dataclasses
import importlib.metadata
import io
import json
import math
import platform
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from gnn_l2o import __version__
from gnn_l2o.algorithm import Cost
from gnn_l2o.errors import InputError
from gnn_l2o.evaluation.runner import Trace
from gnn_l2o.evaluation.tuning import TOLERANCE, Tuning
from gnn_l2o.files import write_text

SCHEMA = 1
RESULTS, SUMMARY = "results.json", "summary.csv"
TOLERANCES = tuple(float(f"1e-{k}") for k in range(1, 9))


class Cell(NamedTuple):
    """Where runs are compared with each other: a dataset on a kind of network of one size."""

    dataset: str
    topology: str
    nodes: int


@dataclass(frozen=True)
class Run:
    """One algorithm on one instance. Numbers that are not finite are ``None``.

    Attributes:
        algorithm: its name.
        dataset, topology: the specs that named them.
        nodes: N.
        instance: number of the instance.
        step_size: alpha, for handcrafted methods.
        parameters: the tuned setting, in the units of the method's grid (steps in units of 1/L).
        diverged: whether the run was lost.
        final_gap: relative gap where it ended.
        final_consensus: relative consensus error there.
        seconds: wall time of all steps.
        rounds_per_iteration: communication rounds an iteration.
        vectors_per_edge_per_iteration: vectors sent along each edge in each direction an iteration.
        reached: for each tolerance when the gap first was at most that: iterations, rounds, vectors, seconds.
        trace: iteration, gap and consensus at the checkpoints, to six digits.
    """

    algorithm: str
    dataset: str
    topology: str
    nodes: int
    instance: int
    step_size: float | None
    parameters: dict[str, float]
    diverged: bool
    final_gap: float | None
    final_consensus: float | None
    seconds: float
    rounds_per_iteration: int
    vectors_per_edge_per_iteration: int
    reached: dict[str, dict[str, float] | None]
    trace: dict[str, list[Any]]

    @classmethod
    def from_trace(
        cls,
        trace: Trace,
        cost: Cost,
        *,
        algorithm: str,
        cell: Cell,
        instance: int,
        step_size: float | None = None,
        parameters: Mapping[str, float] | None = None,
    ) -> Run:
        """Return the record of a run that was measured."""
        return cls(
            algorithm=algorithm,
            **cell._asdict(),
            instance=instance,
            step_size=step_size,
            parameters=dict(parameters or {}),
            diverged=trace.diverged,
            final_gap=_finite(trace.gap[-1]),
            final_consensus=_finite(trace.consensus[-1]),
            seconds=trace.seconds[-1],
            rounds_per_iteration=cost.rounds,
            vectors_per_edge_per_iteration=cost.vectors,
            reached={tolerance_key(t): _reached(trace, cost, t) for t in TOLERANCES},
            trace={
                "iteration": trace.iteration,
                "gap": [_finite(v, digits=6) for v in trace.gap],
                "consensus": [_finite(v, digits=6) for v in trace.consensus],
            },
        )

    @property
    def cell(self) -> Cell:
        """Return where the run belongs."""
        return Cell(self.dataset, self.topology, self.nodes)


@dataclass
class Results:
    """All that an evaluation found so far.

    Attributes:
        command: what was called.
        seed: of everything.
        versions: of the libraries.
        settings: all that decides the outcome; runs under different settings do not mix.
        tuning: for each handcrafted method and cell what was tried and chosen.
        runs: one record for each algorithm and instance.
    """

    command: str
    seed: int
    settings: dict[str, Any]
    versions: dict[str, str] = field(default_factory=lambda: versions())
    tuning: list[dict[str, Any]] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)

    @property
    def models(self) -> list[str]:
        """Return the names of the learned optimizers."""
        return list(self.settings["models"])

    @property
    def handcrafted(self) -> list[str]:
        """Return the names of the handcrafted methods."""
        return list(self.settings["algorithms"])

    @property
    def cells(self) -> list[Cell]:
        """Return the cells that hold runs, in their order."""
        return list(dict.fromkeys(run.cell for run in self.runs))

    def select(self, cell: Cell, algorithm: str) -> list[Run]:
        """Return an algorithm's runs in a cell."""
        return [r for r in self.runs if r.cell == cell and r.algorithm == algorithm]

    def find(self, cell: Cell, algorithm: str, instance: int) -> Run | None:
        """Return one run, if it was made."""
        return next((r for r in self.select(cell, algorithm) if r.instance == instance), None)

    def find_tuning(self, cell: Cell, algorithm: str) -> dict[str, Any] | None:
        """Return what tuning a method in a cell found, if that was done."""
        return next((t for t in self.tuning if t["algorithm"] == algorithm and Cell(**t["cell"]) == cell), None)

    def add_tuning(self, cell: Cell, algorithm: str, tuning: Tuning) -> None:
        """Record what tuning a method in a cell found."""
        trials = [
            {"setting": t.setting, "rounds": _finite(t.rounds), "gap": _finite(t.gap, digits=6)} for t in tuning.trials
        ]
        self.tuning.append(
            {
                "algorithm": algorithm,
                "cell": cell._asdict(),
                "setting": tuning.setting,
                "tolerance": TOLERANCE,
                "trials": trials,
                "warnings": tuning.warnings,
            }
        )

    def median_rounds(self, cell: Cell, algorithm: str, tolerance: float) -> float | None:
        """Return the communication rounds to a gap, the median over the instances; ``None`` where not reached."""
        reached = [r.reached[tolerance_key(tolerance)] for r in self.select(cell, algorithm)]
        return _finite(statistics.median([math.inf if r is None else r["rounds"] for r in reached] or [math.inf]))

    def summary(self) -> list[dict[str, Any]]:
        """Return a row for each cell, tolerance and model: its rounds beside those of the best handcrafted method."""
        models: list[str | None] = [*self.models] or [None]
        return [
            self.compare(cell, tolerance, model) for cell in self.cells for tolerance in TOLERANCES for model in models
        ]

    def compare(self, cell: Cell, tolerance: float, model: str | None) -> dict[str, Any]:
        """Return the row of the summary for a cell, a tolerance and a model."""
        rounds = {name: self.median_rounds(cell, name, tolerance) for name in self.handcrafted}
        reached = {name: value for name, value in rounds.items() if value is not None}
        best = min(reached, key=lambda name: reached[name]) if reached else None
        model_rounds = self.median_rounds(cell, model, tolerance) if model else None
        best_rounds = reached[best] if best else None
        prox_ed_rounds = rounds.get("prox_ed")
        return {
            **cell._asdict(),
            "tolerance": tolerance,
            "model": model,
            "model_rounds": model_rounds,
            "best_handcrafted": best,
            "best_handcrafted_rounds": best_rounds,
            "speedup_rounds": _ratio(best_rounds, model_rounds),
            "prox_ed_rounds": prox_ed_rounds,
            "speedup_vs_prox_ed": _ratio(prox_ed_rounds, model_rounds),
        }

    def save(self, folder: Path) -> None:
        """Write ``results.json`` and ``summary.csv``, each whole or not at all."""
        summary = self.summary()
        content = {
            "schema": SCHEMA,
            "command": self.command,
            "seed": self.seed,
            "versions": self.versions,
            "settings": self.settings,
            "tuning": self.tuning,
            "runs": [dataclasses.asdict(run) for run in self.runs],
            "summary": summary,
        }
        write_text(folder / RESULTS, json.dumps(content, allow_nan=False, separators=(",", ":")) + "\n")
        write_text(folder / SUMMARY, _csv(summary))

    @classmethod
    def load(cls, folder: Path) -> Results:
        """Return the results kept in a folder.

        Raises:
            InputError: it holds none, or they cannot be read.
        """
        path = folder / RESULTS
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["schema"] != SCHEMA:
                raise InputError(f"{path} has schema {content['schema']}; this version reads {SCHEMA}")
            runs = [Run(**run) for run in content["runs"]]
            kept = {f.name: content[f.name] for f in dataclasses.fields(cls) if f.name != "runs"}
        except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
            raise InputError(
                f"{path} is not a results file of this project ({type(error).__name__}: {error})"
            ) from None
        return cls(**kept, runs=runs)


def tolerance_key(tolerance: float) -> str:
    """Return what a tolerance is called in the file, ``"1e-04"``."""
    return f"{tolerance:.0e}"


def versions() -> dict[str, str]:
    """Return the versions of what computes."""
    names = ["torch", "torch-geometric", "numpy", "scipy", "networkx"]
    return {
        "gnn-l2o": __version__,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in names},
    }


def _reached(trace: Trace, cost: Cost, tolerance: float) -> dict[str, float] | None:
    position = trace.reached(tolerance)
    if position is None:
        return None
    iterations = trace.iteration[position]
    return {
        "iterations": iterations,
        "rounds": iterations * cost.rounds,
        "vectors": iterations * cost.vectors,
        "seconds": trace.seconds[position],
    }


def _finite(value: float, digits: int | None = None) -> float | None:
    """Return the number, or ``None`` for what JSON cannot hold."""
    if not math.isfinite(value):
        return None
    return value if digits is None else float(f"{value:.{digits}g}")


def _ratio(slow: float | None, fast: float | None) -> float | None:
    return slow / fast if slow is not None and fast else None


def _csv(rows: Iterable[Mapping[str, Any]]) -> str:
    rows = list(rows)
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return text.getvalue()
