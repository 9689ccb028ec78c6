"""All that an evaluation found: the file it is kept in, medians over the instances, who was faster."""

from __future__ import annotations

import csv
import dataclasses
import importlib.metadata
import io
import json
import math
import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.files import write_text
from gnn_l2o._version import __version__
from gnn_l2o.evaluation.record import TOLERANCES, Cell, Run, finite, tolerance_key
from gnn_l2o.evaluation.tuning import Tuning

SCHEMA = 3
RESULTS, SUMMARY = "results.json", "summary.csv"
SUMMARIZED = TOLERANCES[:8]  # those of which the summary has rows


@dataclass
class Results:
    """All that an evaluation found so far.

    Attributes:
        command: what was called.
        seed: of everything.
        settings: all that decides the outcome; runs under different settings do not mix.
        versions: of the libraries.
        tuning: for each tuned method and cell what was tried and chosen.
        sources: for each dataset of real data where it is from.
        skipped: the algorithms that do not apply to a cell, with the reason: ``{"algorithm", "cell", "reason"}``.
        runs: one record for each algorithm and instance.
    """

    command: str
    seed: int
    settings: dict[str, Any]
    versions: dict[str, str] = field(default_factory=lambda: versions())
    tuning: list[dict[str, Any]] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)
    skipped: list[dict[str, Any]] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)

    @property
    def models(self) -> list[str]:
        """Return the names of the learned optimizers."""
        return list(self.settings["models"])

    @property
    def handcrafted(self) -> list[str]:
        """Return the names of the handcrafted methods."""
        return list(self.settings["handcrafted"])

    @property
    def tuned(self) -> list[str]:
        """Return the names of the learned rules whose constants were tuned instead; no handcrafted methods."""
        return list(self.settings["tuned"])

    @property
    def has_rivals(self) -> bool:
        """Return whether there is something else to compare a model with than handcrafted methods."""
        return bool(self.tuned) or len(self.models) > 1

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
        self.tuning.append(
            {
                "algorithm": algorithm,
                "cell": cell._asdict(),
                "tolerance": self.settings["tuning_tolerance"],
                **tuning.to_json(),
            }
        )

    def median(self, cell: Cell, algorithm: str, tolerance: float, quantity: str = "rounds") -> float | None:
        """Return what it took to reach a gap, the median over the instances; ``None`` where not reached.

        Args:
            cell: where.
            algorithm: whose runs.
            tolerance: the gap.
            quantity: ``"iterations"``, ``"rounds"``, ``"vectors"``, ``"gradients"``, ``"proxes"`` or ``"seconds"``.
        """
        return finite(statistics.median(self.needed(cell, algorithm, tolerance, quantity) or [math.inf]))

    def needed(self, cell: Cell, algorithm: str, tolerance: float, quantity: str = "rounds") -> list[float]:
        """Return what each of the runs of :meth:`median` took; infinite where it did not get there."""
        reached = [r.reached[tolerance_key(tolerance)] for r in self.select(cell, algorithm)]
        return [math.inf if r is None else r[quantity] for r in reached]

    def final_gap(self, cell: Cell, algorithm: str) -> float | None:
        """Return the gap at the end, the median over the instances; ``None`` if most runs diverged."""
        runs = self.select(cell, algorithm)
        gaps = [math.inf if r.diverged or r.final_gap is None else r.final_gap for r in runs]
        return finite(statistics.median(gaps or [math.inf]))

    def ranking(self, cell: Cell, tolerances: Sequence[float]) -> list[str]:
        """Return all that ran in a cell, those that reach the tightest of the tolerances in the fewest rounds first.

        Who does not reach it stands behind, in the order of the next tolerance, and so on; then final gaps decide.
        """

        def key(name: str) -> list[float]:
            rounds = [self.median(cell, name, t) for t in sorted(tolerances)]
            return [math.inf if v is None else v for v in (*rounds, self.final_gap(cell, name))]

        return sorted(dict.fromkeys(r.algorithm for r in self.runs if r.cell == cell), key=key)

    def summary(self) -> list[dict[str, Any]]:
        """Return a row for each cell, tolerance and model: its rounds beside those of the best other algorithms."""
        models: list[str | None] = [*self.models] or [None]
        return [
            self.compare(cell, tolerance, model) for cell in self.cells for tolerance in SUMMARIZED for model in models
        ]

    def compare(self, cell: Cell, tolerance: float, model: str | None) -> dict[str, Any]:
        """Return the row of the summary for a cell, a tolerance and a model.

        Rivals are what is neither the model nor handcrafted: the other models, and tuned constants.
        """
        rounds = self.median(cell, model, tolerance) if model else None
        best, best_rounds = self._fastest(cell, tolerance, self.handcrafted)
        rival, rival_rounds = self._fastest(cell, tolerance, [m for m in (*self.models, *self.tuned) if m != model])
        prox_ed_rounds = self.median(cell, "prox_ed", tolerance)
        return {
            **cell._asdict(),
            "tolerance": tolerance,
            "model": model,
            "model_rounds": rounds,
            "best_handcrafted": best,
            "best_handcrafted_rounds": best_rounds,
            "speedup_rounds": _ratio(best_rounds, rounds),
            "prox_ed_rounds": prox_ed_rounds,
            "speedup_vs_prox_ed": _ratio(prox_ed_rounds, rounds),
            "best_rival": rival,
            "best_rival_rounds": rival_rounds,
            "speedup_vs_rival": _ratio(rival_rounds, rounds),
        }

    def _fastest(self, cell: Cell, tolerance: float, names: Sequence[str]) -> tuple[str | None, float | None]:
        rounds = {name: self.median(cell, name, tolerance) for name in names}
        reached = {name: value for name, value in rounds.items() if value is not None}
        return min(reached.items(), key=lambda item: item[1]) if reached else (None, None)

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
            "sources": self.sources,
            "skipped": self.skipped,
            "runs": [vars(run) for run in self.runs],
            "summary": summary,
        }
        write_text(folder / RESULTS, json.dumps(content, allow_nan=False, separators=(",", ":")) + "\n")
        write_text(folder / SUMMARY, to_csv(summary))

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


def versions() -> dict[str, str]:
    """Return the versions of what computes."""
    names = ["torch", "torch-geometric", "numpy", "scipy", "networkx"]
    return {
        "gnn-l2o": __version__,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in names},
    }


def _ratio(slow: float | None, fast: float | None) -> float | None:
    return slow / fast if slow is not None and fast else None


def to_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows, the same columns in all, as a table of comma-separated values under a header."""
    rows = list(rows)
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return text.getvalue()
