"""Unrolled networks that recover sparse signals, one file each."""

from gnn_l2o.learned.unrolled.alista import ALISTA, ALISTAArchitecture
from gnn_l2o.learned.unrolled.network import Layers, Unrolled, UnrolledArchitecture, UnrolledState
from gnn_l2o.learned.unrolled.sums import SumOverNodes

UNROLLED: tuple[type[UnrolledArchitecture], ...] = (ALISTAArchitecture,)
"""The kinds of unrolled networks."""

__all__ = [
    "ALISTA",
    "UNROLLED",
    "ALISTAArchitecture",
    "Layers",
    "SumOverNodes",
    "Unrolled",
    "UnrolledArchitecture",
    "UnrolledState",
]
