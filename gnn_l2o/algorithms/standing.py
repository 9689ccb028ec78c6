"""Where a run stands: what is measured at a checkpoint, and what stopping rules look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gnn_l2o.algorithms.base import Cost


@dataclass(frozen=True)
class Standing:
    """Where a run stands.

    Attributes:
        iteration: steps taken.
        state: the algorithm's state after them.
        cost: what network and problem counted for :meth:`.Algorithm.init` and the steps, measuring not.
        seconds: wall time of the steps, without init and measuring.
        measures: values of what was measured, ``(B,)`` by name.
    """

    iteration: int
    state: Any
    cost: Cost
    seconds: float
    measures: Mapping[str, Tensor]
