"""Several evaluations together: in every case how many times fewer rounds a model needs than other algorithms."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gnn_l2o.evaluation.record import Case
from gnn_l2o.evaluation.results import Results

SHARE = 0.9  # of the instances that are done within the "90th percentile"


@dataclass(frozen=True)
class Rounds:
    """Communication rounds to a tolerance, over the instances of a case.

    The tolerance is the relative optimality gap that methods are tuned for.

    Attributes:
        median: infinite where the tolerance was not reached.
        percentile90: the smallest number within which nine tenths of the instances are done; below ten instances this
            is the slowest. Infinite where they are not.
        horizon: the rounds after which the runs ended; an algorithm that did not reach the tolerance needs more.
    """

    median: float
    percentile90: float
    horizon: float


@dataclass(frozen=True)
class Speedup:
    """Bounds on how many times fewer rounds the model needs, as the runs end at a horizon.

    Attributes:
        min: equal to ``max`` where both algorithms reached the tolerance, 0 where the model did not.
        max: infinite where the other algorithm did not reach the tolerance.
    """

    min: float
    max: float

    @classmethod
    def of(cls, model: Rounds, other: Rounds) -> Speedup:
        """Return the speed-up of a model over another algorithm, medians over the instances.

        An algorithm that did not reach the tolerance within its horizon of H rounds needs more than H rounds. No rounds
        at all, where the initial point is good enough, count as one.
        """
        if math.isinf(model.median):
            return cls(0.0, max(other.median, 1.0) / model.horizon)
        if math.isinf(other.median):
            return cls(other.horizon / max(model.median, 1.0), math.inf)
        ratio = max(other.median, 1.0) / max(model.median, 1.0)
        return cls(ratio, ratio)

    @property
    def is_behind(self) -> bool:
        """Return whether the model was slower, or the only one that did not reach the tolerance."""
        return self.max < 1 or (self.min == 0 and math.isfinite(self.max))

    @property
    def is_exact(self) -> bool:
        """Return whether both algorithms reached the tolerance."""
        return self.min == self.max

    @property
    def shown(self) -> float | None:
        """Return one number: the value, or the finite bound; ``None`` where neither reached the tolerance."""
        if math.isfinite(self.max):
            return self.max
        return self.min or None

    def __str__(self) -> str:
        """Return ``"1.5x"``, ``">1.5x"`` for a lower bound, ``"<1.5x"`` for an upper bound, a range, or ``"-"``."""
        if self.shown is None:
            return "-"
        low, high = _number(self.min), _number(self.max)
        if math.isinf(self.max):
            return f">{low}x"
        if self.min == 0:
            return f"<{high}x"
        return f"{high}x" if low == high else f"{low}x to {high}x"


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
        best: the fastest handcrafted method; ``None`` where none reached the tolerance.
        best_rounds: its rounds; ``None`` where no handcrafted method ran.
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
    best: str | None
    best_rounds: Rounds | None
    references: Mapping[str, Rounds | None] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def over_best(self) -> Speedup | None:
        """Return the speed-up over the best handcrafted method, if there were any."""
        return self._over(self.best_rounds)

    def over(self, reference: str) -> Speedup | None:
        """Return the speed-up over a reference method, if it ran."""
        return self._over(self.references.get(reference))

    def _over(self, rounds: Rounds | None) -> Speedup | None:
        return None if rounds is None else Speedup.of(self.rounds, rounds)

    def label(self, method: str) -> str:
        """Return what tables call a method."""
        return self.labels.get(method, method)


@dataclass(frozen=True)
class Comparison:
    """A model beside another algorithm over several cases.

    Attributes:
        cases: how many there are in which both ran.
        speedup: the median over these cases; ``None`` where there are none.
        behind: in how many of them the model is behind.
    """

    cases: int
    speedup: Speedup | None
    behind: int

    @classmethod
    def of(cls, speedups: Iterable[Speedup | None]) -> Comparison:
        """Return the comparison whose cases have these speed-ups."""
        known = [s for s in speedups if s is not None]
        return cls(len(known), _median(known), sum(s.is_behind for s in known))


@dataclass(frozen=True)
class Total:
    """A model over several cases.

    Attributes:
        best: beside the best handcrafted method.
        references: beside every reference method, by its name.
        runs: how many the model made in all cases, also where it ran alone.
        diverged: how many of them diverged.
    """

    best: Comparison
    references: Mapping[str, Comparison]
    runs: int
    diverged: int


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
    runs = results.select(case, model)
    finals = [math.inf if r.final_gap is None else r.final_gap for r in runs if not r.diverged]
    best, best_rounds = _best(results, case)
    return Entry(
        run=run,
        case=case,
        model=model,
        iterations=results.settings["iterations"],
        tolerance=results.settings["tuning_tolerance"],
        instances=len(runs),
        diverged=len(runs) - len(finals),
        final_gap=max(finals, default=math.inf),
        rounds=_rounds(results, case, model),
        best=best,
        best_rounds=best_rounds,
        references={
            name: _rounds(results, case, name) if results.select(case, name) else None for name in results.references
        },
        labels={name: results.label(name) for name in results.methods},
    )


def _rounds(results: Results, case: Case, algorithm: str) -> Rounds:
    needed = sorted(results.needed(case, algorithm, results.settings["tuning_tolerance"]))
    median, percentile90 = statistics.median(needed), needed[math.ceil(SHARE * len(needed)) - 1]
    return Rounds(median, percentile90, _horizon(results, case, algorithm))


def _horizon(results: Results, case: Case, algorithm: str) -> float:
    """Return the rounds after which runs ended that neither reached the tolerance nor diverged.

    Without such runs, these are the rounds of all iterations.
    """
    runs, tolerance = results.select(case, algorithm), results.settings["tuning_tolerance"]
    reached = results.needed(case, algorithm, tolerance)
    ends = [
        run.iterations for run, rounds in zip(runs, reached, strict=True) if math.isinf(rounds) and not run.diverged
    ]
    return min([results.settings["iterations"], *ends]) * runs[0].rounds_per_iteration


def _best(results: Results, case: Case) -> tuple[str | None, Rounds | None]:
    """Return the fastest of the handcrafted methods; if none reached the tolerance, the smallest of their horizons."""
    found = {name: _rounds(results, case, name) for name in results.handcrafted if results.select(case, name)}
    if not found:
        return None, None
    name = min(found, key=lambda name: (found[name].median, found[name].horizon))
    return (name if math.isfinite(found[name].median) else None), found[name]


def total(found: Iterable[Entry]) -> Total:
    """Return a model over several cases; all entries are of one model."""
    found = list(found)
    return Total(
        best=Comparison.of(e.over_best for e in found),
        references={name: Comparison.of(e.over(name) for e in found) for name in references(found)},
        runs=sum(e.instances for e in found),
        diverged=sum(e.diverged for e in found),
    )


def worst(found: Iterable[Entry], count: int) -> list[Entry]:
    """Return the cases in which the model does worst beside the best handcrafted method, the worst first.

    A bound counts as its number: ``"<0.5x"`` is as bad as ``"0.5x"``.
    """
    placed = [(e.over_best.shown, e) for e in found if e.over_best is not None]
    known = [(shown, e) for shown, e in placed if shown is not None]
    return [e for _, e in sorted(known, key=lambda pair: pair[0])[:count]]


def references(found: Iterable[Entry]) -> dict[str, str]:
    """Return the labels of all reference methods, by name."""
    return {name: entry.label(name) for entry in found for name in entry.references}


def tolerances(found: Iterable[Entry]) -> list[float]:
    """Return the optimality gaps to which rounds were counted, the largest first."""
    return sorted({e.tolerance for e in found}, reverse=True)


def is_worthwhile(found: Sequence[Entry]) -> bool:
    """Return whether an overview has something to show: two cases with speed-ups."""
    return len({(e.run, e.case) for e in found if e.over_best is not None}) > 1


def _median(speedups: Sequence[Speedup]) -> Speedup | None:
    """Return bounds on the median: with all at their minimum, and with all at their maximum."""
    if not speedups:
        return None
    return Speedup(statistics.median(s.min for s in speedups), statistics.median(s.max for s in speedups))


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 0.995 else f"{value:.1f}" if value < 99.5 else f"{value:.0f}"
