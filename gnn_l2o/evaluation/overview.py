"""Several evaluations together: in every case how many times fewer rounds a model needs than other algorithms."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gnn_l2o.evaluation.comparison import fastest, groups
from gnn_l2o.evaluation.record import CLASSES, Case
from gnn_l2o.evaluation.results import Results
from gnn_l2o.evaluation.speedups import Paired, Rounds, Speedup


@dataclass(frozen=True)
class Best:
    """The fastest of several methods in a case.

    Attributes:
        name: the method; ``None`` where none reached the tolerance.
        rounds: its rounds, or those of the smallest horizon as a bound; ``None`` where no method ran.
    """

    name: str | None
    rounds: Rounds | None


@dataclass(frozen=True)
class Entry:
    """A model in a case, beside the tuned handcrafted methods.

    Attributes:
        run: the name of the evaluation that the case belongs to; empty if there is only one.
        case: the case.
        model: the name of the model.
        iterations: the horizon.
        tolerance: the relative optimality gap that methods were tuned for, to which rounds are counted.
        instances: how many runs of the model there are.
        diverged: how many of them diverged.
        final_gap: the largest final optimality gap of the others.
        rounds: those of the model.
        best: the fastest handcrafted method.
        classes: the fastest of each class of them, by the names of :data:`~gnn_l2o.evaluation.record.CLASSES`.
        references: the rounds of every reference method, by its name; ``None`` where it did not run.
        labels: what tables call methods, by name.
    """

    run: str
    case: Case
    model: str
    iterations: int
    tolerance: float
    instances: int
    diverged: int
    final_gap: float
    rounds: Rounds
    best: Best
    classes: Mapping[str, Best] = field(default_factory=dict)
    references: Mapping[str, Rounds | None] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def over_best(self) -> Speedup | None:
        """Return the speed-up over the best handcrafted method, if there were any."""
        return _speedup(self.beside(self.best.rounds))

    def over_class(self, key: str) -> Speedup | None:
        """Return the speed-up over the best handcrafted method of a class, if there were any."""
        return _speedup(self.beside(self.classes[key].rounds)) if key in self.classes else None

    def over(self, reference: str) -> Speedup | None:
        """Return the speed-up over a reference method, if it ran."""
        return _speedup(self.beside(self.references.get(reference)))

    def beside(self, rounds: Rounds | None) -> Paired | None:
        """Return the model beside an algorithm that needs these rounds, if it ran."""
        return None if rounds is None else Paired.of(self.rounds, rounds)

    def label(self, method: str) -> str:
        """Return what tables call a method."""
        return self.labels.get(method, method)


def entries(results: Results, run: str = "") -> list[Entry]:
    """Return what an evaluation found of its models, case by case.

    Args:
        results: of the evaluation.
        run: the name of the evaluation among others.
    """
    return [
        _entry(results, run, case, model)
        for case in results.cases
        for model in results.models
        if results.select(case, model)
    ]


def _entry(results: Results, run: str, case: Case, model: str) -> Entry:
    runs, tolerance = results.select(case, model), results.settings["tuning_tolerance"]
    lasts = [r.last_gap(results.measure) for r in runs if not r.diverged]
    rounds = results.rounds(case, model, tolerance)
    assert rounds is not None  # it has runs
    best = {group.key: Best(*fastest(results, case, tolerance, group.names)) for group in groups(results, model)}
    return Entry(
        run=run,
        case=case,
        model=model,
        iterations=results.settings["iterations"],
        tolerance=tolerance,
        instances=len(runs),
        diverged=len(runs) - len(lasts),
        final_gap=max((math.inf if gap is None else gap for gap in lasts), default=math.inf),
        rounds=rounds,
        best=best["best_handcrafted"],
        classes={key: best[f"best_{key}"] for key in CLASSES},
        references={name: results.rounds(case, name, tolerance) for name in results.references},
        labels={name: results.label(name) for name in results.methods},
    )


def references(found: Iterable[Entry]) -> dict[str, str]:
    """Return the labels of all reference methods, by name."""
    return {name: entry.label(name) for entry in found for name in entry.references}


def classes(found: Iterable[Entry]) -> dict[str, str]:
    """Return the classes of handcrafted methods, by the names of their columns, if methods of both ran; else none."""
    found = list(found)
    there = {key: label for key, label in CLASSES.items() if any(e.over_class(key) is not None for e in found)}
    return there if len(there) > 1 else {}


def tolerances(found: Iterable[Entry]) -> list[float]:
    """Return the optimality gaps to which rounds were counted, the largest first."""
    return sorted({e.tolerance for e in found}, reverse=True)


def is_worthwhile(found: Sequence[Entry]) -> bool:
    """Return whether an overview has something to show: two cases with speed-ups."""
    return len({(e.run, e.case) for e in found if e.over_best is not None}) > 1


def _speedup(paired: Paired | None) -> Speedup | None:
    return None if paired is None else paired.speedup
