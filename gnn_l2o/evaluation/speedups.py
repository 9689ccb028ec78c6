"""How many times fewer rounds one algorithm needs than another: pairs on the same instances, bounds, intervals."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from gnn_l2o.evaluation.bootstrap import Interval, median_interval

SHARE = 0.9  # of the instances that are done within the "90th percentile"


@dataclass(frozen=True)
class Rounds:
    """Communication rounds of an algorithm to a tolerance, over the instances of a case.

    Attributes:
        by_instance: by the number of the instance; infinite where the tolerance was not reached.
        horizon: the rounds after which the runs ended; an algorithm that did not reach the tolerance needs more.
    """

    by_instance: Mapping[int, float]
    horizon: float

    @property
    def median(self) -> float:
        """Return the median over the instances; infinite where the tolerance was not reached."""
        return statistics.median(self.by_instance.values())

    @property
    def percentile90(self) -> float:
        """Return the smallest number within which nine tenths of the instances are done; infinite where they are not.

        Below ten instances this is the slowest.
        """
        return sorted(self.by_instance.values())[math.ceil(SHARE * len(self.by_instance)) - 1]

    @property
    def interval(self) -> Interval | None:
        """Return the bootstrap interval of the median, see :func:`.median_interval`."""
        return median_interval(self.by_instance.values())


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
    def of(cls, model: float, other: float, *, model_horizon: float, other_horizon: float) -> Self:
        """Return the speed-up of a model over another algorithm on one instance.

        An algorithm that did not reach the tolerance within its horizon of H rounds needs more than H rounds. No rounds
        at all, where the initial point is good enough or iterations do not communicate, count as one.

        Args:
            model: the rounds of the model; infinite where it did not reach the tolerance.
            other: those of the other algorithm.
            model_horizon: the rounds of a run of the model.
            other_horizon: those of a run of the other algorithm.
        """
        if math.isinf(model):
            return cls(0.0, max(other, 1.0) / max(model_horizon, 1.0))
        if math.isinf(other):
            return cls(other_horizon / max(model, 1.0), math.inf)
        ratio = max(other, 1.0) / max(model, 1.0)
        return cls(ratio, ratio)

    @classmethod
    def median(cls, speedups: Iterable[Self]) -> Self | None:
        """Return bounds on the median: with all at their minimum, and with all at their maximum; ``None`` of none."""
        known = list(speedups)
        if not known:
            return None
        return cls(statistics.median(s.min for s in known), statistics.median(s.max for s in known))

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
        low, high = spelled(self.min), spelled(self.max)
        if math.isinf(self.max):
            return f">{low}x"
        if self.min == 0:
            return f"<{high}x"
        return f"{high}x" if low == high else f"{low}x to {high}x"


@dataclass(frozen=True)
class Paired:
    """A model beside another algorithm on the same instances.

    Attributes:
        pairs: the speed-up on each instance on which at least one of them reached the tolerance.
        left_out: how many instances there are on which neither did.
    """

    pairs: tuple[Speedup, ...]
    left_out: int

    @classmethod
    def of(cls, model: Rounds, other: Rounds) -> Self:
        """Return the comparison over the instances that both ran on."""
        shared = [k for k in model.by_instance if k in other.by_instance]
        both = [(model.by_instance[k], other.by_instance[k]) for k in shared]
        known = [(m, o) for m, o in both if not (math.isinf(m) and math.isinf(o))]
        horizons = {"model_horizon": model.horizon, "other_horizon": other.horizon}
        return cls(tuple(Speedup.of(m, o, **horizons) for m, o in known), len(both) - len(known))

    @property
    def ratios(self) -> list[float]:
        """Return the rounds of the other algorithm over those of the model, for each pair.

        The ratio is infinite where only the model reached the tolerance, and 0 where only the other algorithm did.
        """
        return [s.max if math.isinf(s.max) else s.min for s in self.pairs]

    @property
    def speedup(self) -> Speedup:
        """Return bounds on the median of the speed-ups; from 0 to infinity where there are no pairs."""
        return Speedup.median(self.pairs) or Speedup(0.0, math.inf)

    @property
    def median(self) -> float | None:
        """Return the median of the ratios; ``None`` where there are no pairs."""
        return statistics.median(self.ratios) if self.pairs else None

    @property
    def interval(self) -> Interval | None:
        """Return the bootstrap interval of the median of the ratios, see :func:`.median_interval`."""
        return median_interval(self.ratios)

    @property
    def faster(self) -> int:
        """Return on how many of the pairs the model was faster."""
        return sum(ratio > 1 for ratio in self.ratios)

    def __str__(self) -> str:
        """Return ``"1.5x [1.2, 1.9], 4 of 5"``: median, interval, and on how many of the pairs the model is faster."""
        if not self.pairs:
            return "-"
        shown = self.interval is not None and math.isfinite(self.interval[0])
        between = f" [{', '.join(map(spelled, self.interval))}]" if self.interval and shown else ""
        return f"{self.speedup}{between}, {self.faster} of {len(self.pairs)}"


def spelled(value: float) -> str:
    """Spell a ratio with two or three digits."""
    if math.isinf(value):
        return "inf"
    return f"{value:.2f}" if value < 0.995 else f"{value:.1f}" if value < 99.5 else f"{value:.0f}"
