"""Over-relaxed consensus ADMM with a fixed number of gradients in a local solve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from gnn_l2o.algorithms.tunable import Choice, Range
from gnn_l2o.handcrafted.admm import ADMM


@dataclass(frozen=True, eq=False)
class ADMM4(ADMM):
    """:class:`.ADMM` whose local solves are 4 accelerated prox-gradient steps from the last iterate.

    It converges for penalties that are large enough, as :class:`.InexactADMM`, whose local solve is one such step.
    """

    name = "admm_4"
    label = "ADMM, 4 steps"
    grid: ClassVar[Mapping[str, Range | Choice]] = {
        "penalty": Range(0.1, 10.0, unit="curvature"),
        "relaxation": Choice((0.5, 0.8, 0.97)),
    }
    local_steps: ClassVar[int | None] = 4


@dataclass(frozen=True, eq=False)
class ADMM16(ADMM4):
    """:class:`.ADMM` whose local solves are 16 accelerated prox-gradient steps from the last iterate."""

    name = "admm_16"
    label = "ADMM, 16 steps"
    local_steps: ClassVar[int | None] = 16
