"""Stopping rules: objects that say when a run may end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from gnn_l2o._utils.errors import InputError, unknown
from gnn_l2o.algorithms.standing import Standing


class StoppingRule(ABC):
    """Says when a run may end. Rules are evaluated at every checkpoint; the first that holds ends the run."""

    @abstractmethod
    def holds(self, standing: Standing) -> bool:
        """Tell whether the run may end where it stands."""


@dataclass(frozen=True)
class MaxRounds(StoppingRule):
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
class MaxSeconds(StoppingRule):
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
        InputError: at the first checkpoint, if nothing of that name is measured.
    """

    measure: str
    tolerance: float

    def holds(self, standing: Standing) -> bool:
        if self.measure not in standing.measures:
            raise unknown("measure", self.measure, standing.measures)
        return bool((standing.measures[self.measure] <= self.tolerance).all())
