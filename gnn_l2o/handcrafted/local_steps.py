"""What methods declare that take several gradient steps at a node between two exchanges."""

from __future__ import annotations

from typing import ClassVar

from gnn_l2o.algorithms.base import Cost, State
from gnn_l2o.algorithms.tunable import Tunable
from gnn_l2o.handcrafted.whole_number import check_whole


class LocalSteps(Tunable[State]):
    """A method whose parameter ``local_steps``, K, is a whole number; subclasses declare it among their fields.

    Attributes:
        exchanges: communication rounds, of a vector each, in an iteration.
    """

    exchanges: ClassVar[int] = 1
    local_steps: float

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(self, "local_steps", "local steps")

    @property
    def cost(self) -> Cost:
        return Cost(rounds=self.exchanges, vectors=self.exchanges, gradients=int(self.local_steps))
