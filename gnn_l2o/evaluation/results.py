"""The results of an evaluation: what ran, the file that holds it, and medians over the instances."""

from __future__ import annotations

import dataclasses
import json
import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from gnn_l2o._utils.files import write_text
from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.registry import METHODS
from gnn_l2o.evaluation import comparison
from gnn_l2o.evaluation.aggregate import over_instances
from gnn_l2o.evaluation.algorithm_rows import ALGORITHMS, algorithm_rows
from gnn_l2o.evaluation.metrics import METRICS
from gnn_l2o.evaluation.record import LOCAL_SOLVES, OF_LIMITS, ONE_GRADIENT, Case, Run, file_key, finite
from gnn_l2o.evaluation.results_file import (
    DEFAULTS,
    RESULTS,
    SCHEMA,
    SUMMARY,
    describe_method,
    describe_metric,
    to_csv,
    versions,
)
from gnn_l2o.evaluation.results_reader import read_results
from gnn_l2o.evaluation.seeds import Purpose
from gnn_l2o.evaluation.speedups import Rounds
from gnn_l2o.evaluation.tuning import Tuning
from gnn_l2o.graph.network import Network
from gnn_l2o.limits import LIMITS, RECOVERY

if TYPE_CHECKING:
    from gnn_l2o.evaluation.plan import Plan


@dataclass
class Results:
    """All that an evaluation found so far.

    Attributes:
        command: what was called.
        seed: of everything.
        settings: all that decides the outcome; runs under different settings do not mix.
        methods: for each method its label, the units of its parameters, and whether it does more at a node than one
            gradient a round: ``{"label", "units", "local_work"}``; for each model and limit the last of these.
        metrics: for each metric its label, and what figures need: ``{"label", "formula", "scale", "aggregate"}``.
        versions: of the libraries.
        tuning: for each tuned method and case what was tried and chosen.
        redrawn: the instances of which draws were trivial, since the initial point was optimal, and how many.
        sources: for each dataset of real data where it is from.
        skipped: the algorithms that do not apply to a case, with the reason: ``{"algorithm", "case", "reason"}``.
        networks: the links of the network of the first instance of a case, ``{"case", "links"}``; of small ones.
        published: values that papers report, which figures and reports show beside the runs (:class:`.Published`).
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
    networks: list[dict[str, Any]] = field(default_factory=list)
    published: list[dict[str, Any]] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    _grouped: tuple[list[Run], int, dict[tuple[Case, str], list[Run]]] = field(
        default=([], 0, {}), init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        self.settings = {**DEFAULTS, **self.settings}
        known = {name for name in (*self.handcrafted, *self.tuned, *self.references) if name in METHODS}
        described = {name: describe_method(METHODS[name]) for name in sorted(known)}
        self.methods = {name: {**described.get(name, {}), **own} for name, own in {**described, **self.methods}.items()}
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
        """Return the names of the limits, which have runs as other algorithms have, and count as no method."""
        return list(self.settings["limits"])

    @property
    def has_learned_baselines(self) -> bool:
        """Return whether a model can be compared with other learned rules."""
        return bool(self.tuned) or len(self.models) > 1

    @property
    def has_setup(self) -> bool:
        """Return whether the rounds before the first iterations were counted."""
        return any(run.setup_rounds is not None for run in self.runs)

    @property
    def cases(self) -> list[Case]:
        """Return the cases that hold runs, in their order."""
        return list(dict.fromkeys(case for case, _ in self._groups))

    def algorithms(self, case: Case) -> list[str]:
        """Return the algorithms that have runs in a case."""
        return [name for there, name in self._groups if there == case]

    @property
    def measure(self) -> str:
        """Return whose optimality gap rounds are counted to: ``"average"`` of the nodes, or ``"worst"`` node."""
        return str(self.settings["measure"])

    def label(self, algorithm: str) -> str:
        """Return what tables and figures call an algorithm."""
        if algorithm in self.models:
            return f"{algorithm} (model)"
        if algorithm in self.limits and algorithm in (known := {**LIMITS, **RECOVERY}):
            return known[algorithm].label
        return self.methods.get(algorithm, {}).get("label", algorithm)

    def class_of(self, algorithm: str) -> str:
        """Return the class of an algorithm: one of :data:`~gnn_l2o.evaluation.record.CLASSES`, or the limits."""
        if algorithm in self.limits:
            return OF_LIMITS
        return LOCAL_SOLVES if self.methods.get(algorithm, {}).get("local_work", False) else ONE_GRADIENT

    def note_class(self, name: str, algorithm: Algorithm[Any]) -> None:
        """Record whether an algorithm that runs has local work; a method has if it has with any of its settings."""
        description = self.methods.setdefault(name, {})
        description["local_work"] = description.get("local_work", False) or algorithm.has_local_work

    def select(self, case: Case, algorithm: str) -> list[Run]:
        """Return the runs of an algorithm in a case."""
        return list(self._groups.get((case, algorithm), ()))

    @property
    def _groups(self) -> dict[tuple[Case, str], list[Run]]:
        """The runs by case and algorithm; grouped anew only when there are others, since they may be many."""
        runs, count, groups = self._grouped
        if runs is not self.runs or count != len(self.runs):
            groups = {}
            for run in self.runs:
                groups.setdefault((run.case, run.algorithm), []).append(run)
            self._grouped = self.runs, len(self.runs), groups
        return groups

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

    def note_network(self, case: Case, network: Network) -> None:
        """Record the network of the first instance of a case."""
        edges = network.edge_index if network.directed else network.link_index
        entry = {"case": case._asdict(), "links": edges.T.tolist()}
        if entry not in self.networks:
            self.networks.append(entry)

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
            quantity: ``"iterations"``, ``"seconds"``, a field of :class:`.Cost`, as ``"rounds"``, or
                :data:`~gnn_l2o.evaluation.record.TOTAL_GRADIENTS`.
        """
        needed = self.needed(case, algorithm, tolerance, quantity).values()
        return finite(statistics.median(needed or [math.inf]))

    def needed(
        self, case: Case, algorithm: str, tolerance: float, quantity: str = "rounds", measure: str | None = None
    ) -> dict[int, float]:
        """Return the cost of each of the runs of :meth:`median` by instance; infinite where it is not reached.

        Args:
            case: the case.
            algorithm: the name.
            tolerance: the relative optimality gap.
            quantity: as for :meth:`median`.
            measure: the optimality gap; by default :attr:`measure`.
        """
        measure = measure or self.measure
        return {r.instance: r.needed(tolerance, quantity, measure) for r in self.select(case, algorithm)}

    def rounds(self, case: Case, algorithm: str, tolerance: float, measure: str | None = None) -> Rounds | None:
        """Return the rounds of an algorithm to an optimality gap over the instances; ``None`` if it did not run."""
        runs = self.select(case, algorithm)
        if not runs:
            return None
        needed = self.needed(case, algorithm, tolerance, measure=measure)
        # Runs that neither arrived nor diverged ended at the horizon; without such, it is that of all iterations.
        ends = [r.iterations for r in runs if math.isinf(needed[r.instance]) and not r.diverged]
        return Rounds(needed, min([self.settings["iterations"], *ends]) * runs[0].rounds_per_iteration)

    def final_gap(self, case: Case, algorithm: str) -> float | None:
        """Return the optimality gap at the end, the median over the instances; ``None`` if most runs diverged."""
        last = [None if r.diverged else r.last_gap(self.measure) for r in self.select(case, algorithm)]
        return finite(statistics.median([math.inf if gap is None else gap for gap in last] or [math.inf]))

    def measures(self, metric: str) -> bool:
        """Tell whether a metric was measured in any run."""
        return any(file_key(metric) in run.trace for run in self.runs)

    def final(self, case: Case, algorithm: str, metric: str) -> float | None:
        """Return a metric at the end, over the instances that did not diverge; ``None`` if there is none."""
        key = file_key(metric)
        runs = [r for r in self.select(case, algorithm) if not r.diverged and r.trace.get(key, [None])[-1] is not None]
        last = [run.trace[key][-1] for run in runs]
        return float(over_instances(last, runs, metric, self.metrics[metric])) if runs else None

    def summary(self) -> list[dict[str, Any]]:
        """Return a row for each case, tolerance and model: its rounds beside those of the best other algorithms."""
        return comparison.summary(self)

    def save(self, folder: Path) -> None:
        """Write ``results.json``, ``summary.csv`` and ``algorithms.csv``, each whole or not at all."""
        summary = self.summary()
        content = {"schema": SCHEMA, **self.to_json(), "summary": summary}
        write_text(folder / RESULTS, json.dumps(content, allow_nan=False, separators=(",", ":")) + "\n")
        write_text(folder / SUMMARY, to_csv(summary))
        write_text(folder / ALGORITHMS, to_csv(algorithm_rows(self)))

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`from_json` needs, as JSON can hold it."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.init}
        return {**fields, "runs": [vars(run) for run in self.runs]}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Undo :meth:`to_json`."""
        rest = {f.name: content[f.name] for f in dataclasses.fields(cls) if f.init and f.name != "runs"}
        return cls(**rest, runs=[Run(**run) for run in content["runs"]])

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Return the results that a folder holds, also those that releases up to 0.5 wrote.

        Raises:
            InputError: there are none, or they cannot be read.
        """
        return cls.from_json(read_results(folder / RESULTS))
