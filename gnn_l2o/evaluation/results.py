"""The results of an evaluation: the file that holds them, medians over the instances, comparisons of models."""

from __future__ import annotations

import dataclasses
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.files import write_text
from gnn_l2o.algorithms.registry import METHODS
from gnn_l2o.evaluation.metrics import METRICS
from gnn_l2o.evaluation.record import TOLERANCES, Case, Run, file_key, finite, tolerance_key
from gnn_l2o.evaluation.results_file import (
    DEFAULTS,
    RESULTS,
    SCHEMA,
    SUMMARY,
    describe_method,
    describe_metric,
    from_schema_3,
    to_csv,
    versions,
)
from gnn_l2o.evaluation.seeds import Purpose
from gnn_l2o.evaluation.tuning import Tuning
from gnn_l2o.limits import LIMITS

if TYPE_CHECKING:
    from gnn_l2o.evaluation.plan import Plan

SUMMARIZED = TOLERANCES[:8]  # those of which the summary has rows


@dataclass
class Results:
    """All that an evaluation found so far.

    Attributes:
        command: what was called.
        seed: of everything.
        settings: all that decides the outcome; runs under different settings do not mix.
        methods: for each method its label, and the units of its parameters: ``{"label", "units"}``.
        metrics: for each metric its label, and what figures need: ``{"label", "formula", "scale"}``.
        versions: of the libraries.
        tuning: for each tuned method and case what was tried and chosen.
        redrawn: the instances of which draws were trivial, since the initial point was optimal, and how many.
        sources: for each dataset of real data where it is from.
        skipped: the algorithms that do not apply to a case, with the reason: ``{"algorithm", "case", "reason"}``.
        runs: one record for each algorithm and instance.
    """

    command: str
    seed: int
    settings: dict[str, Any]
    methods: dict[str, dict[str, Any]] = field(default_factory=dict)
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=versions)
    tuning: list[dict[str, Any]] = field(default_factory=list)
    redrawn: list[dict[str, Any]] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)
    skipped: list[dict[str, Any]] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.settings = {**DEFAULTS, **self.settings}
        known = {name for name in (*self.handcrafted, *self.tuned, *self.references) if name in METHODS}
        self.methods = {**{name: describe_method(METHODS[name]) for name in sorted(known)}, **self.methods}
        built_in = [METRICS[name]() for name in self.settings["metrics"] if name in METRICS]
        self.metrics = {**{metric.name: describe_metric(metric) for metric in built_in}, **self.metrics}

    @classmethod
    def begin(cls, plan: Plan, command: str) -> Self:
        """Return the results of a plan before anything has run."""
        return cls(
            command,
            plan.seed,
            plan.settings,
            methods={name: describe_method(method) for name, method in plan.chosen_methods.items()},
            metrics={name: describe_metric(metric) for name, metric in plan.chosen_metrics.items()},
        )

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
    def references(self) -> list[str]:
        """Return the names of the methods that every table compares models with."""
        return list(self.settings["references"])

    @property
    def limits(self) -> list[str]:
        """Return the names of the limits, which compete with no other algorithm."""
        return list(self.settings["limits"])

    @property
    def has_learned_baselines(self) -> bool:
        """Return whether a model can be compared with other learned rules."""
        return bool(self.tuned) or len(self.models) > 1

    @property
    def cases(self) -> list[Case]:
        """Return the cases that hold runs, in their order."""
        return list(dict.fromkeys(run.case for run in self.runs))

    def label(self, algorithm: str) -> str:
        """Return what tables and figures call an algorithm."""
        if algorithm in self.models:
            return f"{algorithm} (model)"
        if algorithm in self.limits and algorithm in LIMITS:
            return LIMITS[algorithm].label
        return self.methods[algorithm]["label"] if algorithm in self.methods else algorithm

    def select(self, case: Case, algorithm: str) -> list[Run]:
        """Return the runs of an algorithm in a case."""
        return [r for r in self.runs if r.case == case and r.algorithm == algorithm]

    def find(self, case: Case, algorithm: str, instance: int) -> Run | None:
        """Return one run, if it was made."""
        return next((r for r in self.select(case, algorithm) if r.instance == instance), None)

    def find_tuning(self, case: Case, algorithm: str) -> dict[str, Any] | None:
        """Return what tuning a method in a case found, if that was done."""
        return next((t for t in self.tuning if t["algorithm"] == algorithm and Case(**t["case"]) == case), None)

    def set_redrawn(self, case: Case, counts: Mapping[tuple[Purpose, int], int]) -> None:
        """Record how many draws of instances of a case were trivial, by purpose and number of the instance."""
        for (purpose, number), count in counts.items():
            entry = {"case": case._asdict(), "purpose": purpose, "instance": number, "draws": count}
            if entry not in self.redrawn:
                self.redrawn.append(entry)

    def add_tuning(self, case: Case, algorithm: str, tuning: Tuning) -> None:
        """Record what tuning a method in a case found."""
        self.tuning.append(
            {
                "algorithm": algorithm,
                "case": case._asdict(),
                "tolerance": self.settings["tuning_tolerance"],
                **tuning.to_json(),
            }
        )

    def median(self, case: Case, algorithm: str, tolerance: float, quantity: str = "rounds") -> float | None:
        """Return the cost of reaching an optimality gap, the median over the instances; ``None`` where not reached.

        Args:
            case: the case.
            algorithm: the name.
            tolerance: the relative optimality gap.
            quantity: ``"iterations"``, ``"seconds"``, or a field of :class:`.Cost`, as ``"rounds"``.
        """
        return finite(statistics.median(self.needed(case, algorithm, tolerance, quantity) or [math.inf]))

    def needed(self, case: Case, algorithm: str, tolerance: float, quantity: str = "rounds") -> list[float]:
        """Return the cost of each of the runs of :meth:`median`; infinite where the tolerance was not reached."""
        reached = [r.reached[tolerance_key(tolerance)] for r in self.select(case, algorithm)]
        return [math.inf if r is None else r[quantity] for r in reached]

    def final_gap(self, case: Case, algorithm: str) -> float | None:
        """Return the optimality gap at the end, the median over the instances; ``None`` if most runs diverged."""
        runs = self.select(case, algorithm)
        gaps = [math.inf if r.diverged or r.final_gap is None else r.final_gap for r in runs]
        return finite(statistics.median(gaps or [math.inf]))

    def measures(self, metric: str) -> bool:
        """Tell whether a metric was measured in any run."""
        return any(file_key(metric) in run.trace for run in self.runs)

    def final(self, case: Case, algorithm: str, metric: str) -> float | None:
        """Return a metric at the end, the median over the instances that did not diverge; ``None`` if there is none."""
        columns = [r.trace.get(file_key(metric), []) for r in self.select(case, algorithm) if not r.diverged]
        values = [column[-1] for column in columns if column and column[-1] is not None]
        return statistics.median(values) if values else None

    def ranking(self, case: Case, tolerances: Sequence[float]) -> list[str]:
        """Return the algorithms of a case without limits, those with the fewest rounds to the tightest tolerance first.

        Algorithms that do not reach it follow, in the order of the next tolerance, and so on; then final optimality
        gaps decide.
        """

        def key(name: str) -> list[float]:
            rounds = [self.median(case, name, t) for t in sorted(tolerances)]
            return [math.inf if v is None else v for v in (*rounds, self.final_gap(case, name))]

        names = dict.fromkeys(r.algorithm for r in self.runs if r.case == case)
        return sorted((name for name in names if name not in self.limits), key=key)

    def summary(self) -> list[dict[str, Any]]:
        """Return a row for each case, tolerance and model: its rounds beside those of the best other algorithms."""
        models: list[str | None] = [*self.models] or [None]
        return [
            self.compare(case, tolerance, model) for case in self.cases for tolerance in SUMMARIZED for model in models
        ]

    def compare(self, case: Case, tolerance: float, model: str | None) -> dict[str, Any]:
        """Return the row of the summary for a case, a tolerance and a model.

        Learned baselines are all algorithms that are neither the model nor handcrafted: the other models, and MiLoDo's
        rule with tuned constants.
        """
        rounds = self.median(case, model, tolerance) if model else None
        best, best_rounds = self._fastest(case, tolerance, self.handcrafted)
        learned = [name for name in (*self.models, *self.tuned) if name != model]
        baseline, baseline_rounds = self._fastest(case, tolerance, learned)
        row = {
            **case._asdict(),
            "tolerance": tolerance,
            "model": model,
            "model_rounds": rounds,
            "best_handcrafted": best,
            "best_handcrafted_rounds": best_rounds,
            "speedup_rounds": _ratio(best_rounds, rounds),
        }
        for name in self.references:
            row[f"{name}_rounds"] = reference_rounds = self.median(case, name, tolerance)
            row[f"speedup_vs_{name}"] = _ratio(reference_rounds, rounds)
        return {
            **row,
            "best_learned_baseline": baseline,
            "best_learned_baseline_rounds": baseline_rounds,
            "speedup_vs_learned_baseline": _ratio(baseline_rounds, rounds),
        }

    def _fastest(self, case: Case, tolerance: float, names: Sequence[str]) -> tuple[str | None, float | None]:
        rounds = {name: self.median(case, name, tolerance) for name in names}
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
            "methods": self.methods,
            "metrics": self.metrics,
            "tuning": self.tuning,
            "redrawn": self.redrawn,
            "sources": self.sources,
            "skipped": self.skipped,
            "runs": [vars(run) for run in self.runs],
            "summary": summary,
        }
        write_text(folder / RESULTS, json.dumps(content, allow_nan=False, separators=(",", ":")) + "\n")
        write_text(folder / SUMMARY, to_csv(summary))

    @classmethod
    def load(cls, folder: Path) -> Results:
        """Return the results that a folder holds, also those that releases up to 0.4 wrote.

        Raises:
            InputError: there are none, or they cannot be read.
        """
        path = folder / RESULTS
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["schema"] == SCHEMA - 1:
                content = from_schema_3(content)
            if content["schema"] != SCHEMA:
                raise InputError(f"{path} has schema {content['schema']}; this version reads {SCHEMA}")
            runs = [Run(**run) for run in content["runs"]]
            content.setdefault("redrawn", [])
            rest = {f.name: content[f.name] for f in dataclasses.fields(cls) if f.name != "runs"}
        except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
            raise InputError(
                f"{path} is not a results file of this project ({type(error).__name__}: {error})"
            ) from None
        return cls(**rest, runs=runs)


def _ratio(slow: float | None, fast: float | None) -> float | None:
    return slow / fast if slow is not None and fast else None
