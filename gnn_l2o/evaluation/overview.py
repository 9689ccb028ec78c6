"""What several evaluations found together: in every cell how many times fewer rounds a model needs than the others."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gnn_l2o.evaluation.record import Cell
from gnn_l2o.evaluation.results import Results

SHARE = 0.9  # of the instances that are done within the "90th percentile"


@dataclass(frozen=True)
class Rounds:
    """Communication rounds to the gap that methods are tuned for, over the instances of a cell.

    Attributes:
        median: infinite where it was not reached.
        percentile90: the least number within which nine tenths of the instances are done; below ten instances this is
            the slowest. Infinite where they are not.
        horizon: the rounds after which the runs ended; whoever has not got there needs more.
    """

    median: float
    percentile90: float
    horizon: float


@dataclass(frozen=True)
class Speedup:
    """How many times fewer rounds the model needs, as far as the horizon lets us see.

    Attributes:
        least: what is certain: equal to ``most`` where both got there, 0 where the model did not.
        most: infinite where the other did not get there.
    """

    least: float
    most: float

    @classmethod
    def of(cls, model: Rounds, other: Rounds) -> Speedup:
        """Return the speed-up of a model over another algorithm, medians over the instances.

        Who did not get there within its horizon of H rounds needs more than H. No rounds at all, where the start is
        good enough, count as one.
        """
        if math.isinf(model.median):
            return cls(0.0, max(other.median, 1.0) / model.horizon)
        if math.isinf(other.median):
            return cls(other.horizon / max(model.median, 1.0), math.inf)
        ratio = max(other.median, 1.0) / max(model.median, 1.0)
        return cls(ratio, ratio)

    @property
    def is_behind(self) -> bool:
        """Return whether the model was slower, or the only one that did not get there."""
        return self.most < 1 or (self.least == 0 and math.isfinite(self.most))

    @property
    def is_exact(self) -> bool:
        """Return whether both got there."""
        return self.least == self.most

    @property
    def shown(self) -> float | None:
        """Return the number that stands for it: its value, or the bound there is; ``None`` where nobody got there."""
        if math.isfinite(self.most):
            return self.most
        return self.least or None

    def __str__(self) -> str:
        """Return ``"1.5x"``, ``">1.5x"`` for at least that, ``"<1.5x"`` for at most, a range, or ``"-"``."""
        if self.shown is None:
            return "-"
        least, most = _number(self.least), _number(self.most)
        if math.isinf(self.most):
            return f">{least}x"
        if self.least == 0:
            return f"<{most}x"
        return f"{most}x" if least == most else f"{least}x to {most}x"


@dataclass(frozen=True)
class Entry:
    """A model in a cell, beside the tuned handcrafted methods.

    Attributes:
        run: the name of the evaluation that the cell belongs to; empty if there is one only.
        cell: where.
        model: who.
        iterations: the horizon.
        tolerance: the gap that methods were tuned for, to which rounds are counted.
        instances: the model's runs.
        diverged: those of them that were lost.
        final_gap: the largest gap at the end of the others.
        rounds: the model's.
        best: the handcrafted method that was first; ``None`` where none got there.
        best_rounds: its; ``None`` where no handcrafted method ran.
        prox_ed_rounds: those of tuned Prox-ED, likewise.
    """

    run: str
    cell: Cell
    model: str
    iterations: int
    tolerance: float
    instances: int
    diverged: int
    final_gap: float
    rounds: Rounds
    best: str | None
    best_rounds: Rounds | None
    prox_ed_rounds: Rounds | None

    @property
    def over_best(self) -> Speedup | None:
        """Return the speed-up over the best handcrafted method, if there were any."""
        return None if self.best_rounds is None else Speedup.of(self.rounds, self.best_rounds)

    @property
    def over_prox_ed(self) -> Speedup | None:
        """Return the speed-up over Prox-ED, if it ran."""
        return None if self.prox_ed_rounds is None else Speedup.of(self.rounds, self.prox_ed_rounds)


@dataclass(frozen=True)
class Total:
    """A model over several cells.

    Attributes:
        cells: in how many it stands beside handcrafted methods.
        over_best: the median over these cells of the speed-up over the best handcrafted method.
        behind_best: in how many of them it is behind that.
        over_prox_ed: the same over Prox-ED.
        behind_prox_ed: likewise.
        runs: the model's, in all cells, also where it runs alone.
        diverged: those that were lost.
    """

    cells: int
    over_best: Speedup | None
    behind_best: int
    over_prox_ed: Speedup | None
    behind_prox_ed: int
    runs: int
    diverged: int


def entries(results: Results, run: str = "") -> list[Entry]:
    """Return what an evaluation found of its models, cell by cell.

    Args:
        results: what it found.
        run: its name among others.
    """
    return [
        _entry(results, run, cell, model)
        for cell in results.cells
        for model in results.models
        if results.select(cell, model)
    ]


def _entry(results: Results, run: str, cell: Cell, model: str) -> Entry:
    runs = results.select(cell, model)
    kept = [math.inf if r.final_gap is None else r.final_gap for r in runs if not r.diverged]
    best, best_rounds = _best(results, cell)
    return Entry(
        run=run,
        cell=cell,
        model=model,
        iterations=results.settings["iterations"],
        tolerance=results.settings["tuning_tolerance"],
        instances=len(runs),
        diverged=len(runs) - len(kept),
        final_gap=max(kept, default=math.inf),
        rounds=_rounds(results, cell, model),
        best=best,
        best_rounds=best_rounds,
        prox_ed_rounds=_rounds(results, cell, "prox_ed") if results.select(cell, "prox_ed") else None,
    )


def _rounds(results: Results, cell: Cell, algorithm: str) -> Rounds:
    needed = sorted(results.needed(cell, algorithm, results.settings["tuning_tolerance"]))
    each = results.select(cell, algorithm)[0].rounds_per_iteration
    horizon = results.settings["iterations"] * each
    return Rounds(statistics.median(needed), needed[math.ceil(SHARE * len(needed)) - 1], horizon)


def _best(results: Results, cell: Cell) -> tuple[str | None, Rounds | None]:
    """Return the first of the handcrafted methods; if none got there, the least of their horizons."""
    found = {name: _rounds(results, cell, name) for name in results.handcrafted if results.select(cell, name)}
    if not found:
        return None, None
    name = min(found, key=lambda name: (found[name].median, found[name].horizon))
    return (name if math.isfinite(found[name].median) else None), found[name]


def total(found: Iterable[Entry]) -> Total:
    """Return a model over several cells; all entries are of one model."""
    found = list(found)
    over_best = [e.over_best for e in found if e.over_best is not None]
    over_prox_ed = [e.over_prox_ed for e in found if e.over_prox_ed is not None]
    return Total(
        cells=len(over_best),
        over_best=_median(over_best),
        behind_best=sum(s.is_behind for s in over_best),
        over_prox_ed=_median(over_prox_ed),
        behind_prox_ed=sum(s.is_behind for s in over_prox_ed),
        runs=sum(e.instances for e in found),
        diverged=sum(e.diverged for e in found),
    )


def worst(found: Iterable[Entry], count: int) -> list[Entry]:
    """Return the cells in which the model does worst beside the best handcrafted method, the worst first.

    A bound counts as its number: ``"<0.5x"`` is as bad as ``"0.5x"``.
    """
    placed = [(e.over_best.shown, e) for e in found if e.over_best is not None]
    known = [(shown, e) for shown, e in placed if shown is not None]
    return [e for _, e in sorted(known, key=lambda pair: pair[0])[:count]]


def tolerances(found: Iterable[Entry]) -> list[float]:
    """Return the gaps to which rounds were counted, the largest first."""
    return sorted({e.tolerance for e in found}, reverse=True)


def is_worthwhile(found: Sequence[Entry]) -> bool:
    """Return whether there is something to be seen together: two cells with speed-ups."""
    return len({(e.run, e.cell) for e in found if e.over_best is not None}) > 1


def _median(speedups: Sequence[Speedup]) -> Speedup | None:
    """Return where the median lies: with all at their least, and with all at their most."""
    if not speedups:
        return None
    return Speedup(statistics.median(s.least for s in speedups), statistics.median(s.most for s in speedups))


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 0.995 else f"{value:.1f}" if value < 99.5 else f"{value:.0f}"
