"""What the handcrafted methods for min-max problems share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from gnn_l2o.algorithms.base import State
from gnn_l2o.algorithms.tunable import STEP_SIZE, Choice, Range, Tunable


@dataclass(frozen=True, eq=False)
class MinMaxMethod(Tunable[State]):
    r"""A method over the fields :math:`G_i(x) = (\nabla_u F_i, -\nabla_v F_i)` of a :class:`.MinMax`, x = (u, v).

    At one node, W = 1, all of these methods are the centralized ones. Over a network every node mixes both blocks with
    its neighbours, after its step. A point at which the fields of all nodes vanish is a fixed point in consensus. Where
    only their mean vanishes, the limit is off by an error of the order of the step, as that of diffusion is.

    On a problem with nothing to maximize G_i is the gradient.

    Attributes:
        step_size: eta.
    """

    grid: ClassVar[Mapping[str, Range | Choice]] = {"step_size": STEP_SIZE}
    composite = False
    exact = False
    min_max = True

    step_size: float | Tensor
