"""Unrolled networks that recover sparse signals, one file each."""

from gnn_l2o.learned.unrolled.alista import ALISTA, ALISTAArchitecture
from gnn_l2o.learned.unrolled.architecture import UnrolledArchitecture
from gnn_l2o.learned.unrolled.glista import GLISTA, GLISTAArchitecture
from gnn_l2o.learned.unrolled.lamp import LAMP, LAMPArchitecture
from gnn_l2o.learned.unrolled.layers import Layers
from gnn_l2o.learned.unrolled.lfista import LFISTA, LFISTAArchitecture
from gnn_l2o.learned.unrolled.lista import LISTA, LISTAArchitecture
from gnn_l2o.learned.unrolled.lista_cp import LISTACP, LISTACPArchitecture, LISTACPSSArchitecture
from gnn_l2o.learned.unrolled.network import Unrolled, UnrolledState
from gnn_l2o.learned.unrolled.step_lista import StepLISTA, StepLISTAArchitecture
from gnn_l2o.learned.unrolled.sums import SumOverNodes

UNROLLED: tuple[type[UnrolledArchitecture], ...] = (
    ALISTAArchitecture,
    StepLISTAArchitecture,
    LISTAArchitecture,
    LISTACPArchitecture,
    LISTACPSSArchitecture,
    LAMPArchitecture,
    LFISTAArchitecture,
    GLISTAArchitecture,
)
"""The kinds of unrolled networks."""

__all__ = [
    "ALISTA",
    "GLISTA",
    "LAMP",
    "LFISTA",
    "LISTA",
    "LISTACP",
    "UNROLLED",
    "ALISTAArchitecture",
    "GLISTAArchitecture",
    "LAMPArchitecture",
    "LFISTAArchitecture",
    "LISTAArchitecture",
    "LISTACPArchitecture",
    "LISTACPSSArchitecture",
    "Layers",
    "StepLISTA",
    "StepLISTAArchitecture",
    "SumOverNodes",
    "Unrolled",
    "UnrolledArchitecture",
    "UnrolledState",
]
