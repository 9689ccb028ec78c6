"""Models over several cases: median speed-ups, in how many cases a model is behind, and where it does worst."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gnn_l2o.evaluation.overview import Entry, classes, references
from gnn_l2o.evaluation.speedups import Speedup


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
        return cls(len(known), Speedup.median(known), sum(s.is_behind for s in known))


@dataclass(frozen=True)
class Total:
    """A model over several cases.

    Attributes:
        best: beside the best handcrafted method.
        classes: beside the best of each class of them, by the name of the class, if methods of both ran.
        references: beside every reference method, by its name.
        runs: how many the model made in all cases, also where it ran alone.
        diverged: how many of them diverged.
    """

    best: Comparison
    classes: Mapping[str, Comparison]
    references: Mapping[str, Comparison]
    runs: int
    diverged: int


def total(found: Iterable[Entry]) -> Total:
    """Return a model over several cases; all entries are of one model."""
    found = list(found)
    return Total(
        best=Comparison.of(e.over_best for e in found),
        classes={key: Comparison.of(e.over_class(key) for e in found) for key in classes(found)},
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
