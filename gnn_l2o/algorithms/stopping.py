"""Stopping rules: objects that say when a run may end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from gnn_l2o._utils.errors import InputError, unknown
from gnn_l2o.algorithms.standing import Standing


class StoppingRule(ABC):
    """Says when a run may end. Rules are evaluated at every checkpoint; the first that holds ends the run.

    ``a | b`` holds where one of the two rules does.
    """

    @abstractmethod
    def holds(self, standing: Standing) -> bool:
        """Tell whether the run may end where it stands."""

    def converged(self, standing: Standing) -> bool:
        """Tell whether the rule holds because the run has converged, not because a budget is spent."""
        return self.holds(standing)

    def __or__(self, other: StoppingRule) -> AnyOf:
        return AnyOf((self, other))


@dataclass(frozen=True)
class AnyOf(StoppingRule):
    """Ends a run where one of several rules does.

    Attributes:
        rules: these.
    """

    rules: tuple[StoppingRule, ...]

    def holds(self, standing: Standing) -> bool:
        return any(rule.holds(standing) for rule in self.rules)

    def converged(self, standing: Standing) -> bool:
        return any(rule.converged(standing) for rule in self.rules)


class Budget(StoppingRule):
    """A rule that ends runs whether or not they have converged."""

    def converged(self, standing: Standing) -> bool:
        return False


@dataclass(frozen=True)
class MaxRounds(Budget):
    """Ends a run after so many communication rounds.

    Attributes:
        rounds: at least 1.
    """

    rounds: int

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise InputError(f"MaxRounds needs at least 1 round, got {self.rounds}")

    def holds(self, standing: Standing) -> bool:
        return standing.cost.rounds >= self.rounds


@dataclass(frozen=True)
class MaxSeconds(Budget):
    """Ends a run whose steps have taken so much wall time.

    Attributes:
        seconds: positive.
    """

    seconds: float

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise InputError(f"MaxSeconds needs a positive time, got {self.seconds}")

    def holds(self, standing: Standing) -> bool:
        return standing.seconds >= self.seconds


@dataclass(frozen=True)
class Below(StoppingRule):
    """Ends a run once a measure is at most a tolerance, for every problem of the batch.

    Attributes:
        measure: its name, such as ``"optimality_gap"``.
        tolerance: at least 0.

    Raises:
        InputError: the tolerance is negative or NaN; at the first checkpoint, if nothing of that name is measured.
    """

    measure: str
    tolerance: float

    def __post_init__(self) -> None:
        if not self.tolerance >= 0:
            raise InputError(f"Below needs a tolerance of at least 0, got {self.tolerance}")

    def holds(self, standing: Standing) -> bool:
        if self.measure not in standing.measures:
            raise unknown("measure", self.measure, standing.measures)
        return bool((standing.measures[self.measure] <= self.tolerance).all())


@dataclass(frozen=True)
class Stationary(StoppingRule):
    """Ends a run once its ``"residual"`` and ``"consensus_error"`` are at most a tolerance.

    Both are measured in every run of :func:`gnn_l2o.minimize`.

    Attributes:
        tolerance: at least 0.
    """

    tolerance: float

    def holds(self, standing: Standing) -> bool:
        return all(Below(measure, self.tolerance).holds(standing) for measure in ("residual", "consensus_error"))
