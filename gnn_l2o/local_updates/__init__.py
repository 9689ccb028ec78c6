"""Centralized optimizers that every node can run on its own iterate, one file each."""

from collections.abc import Mapping
from typing import Any

from gnn_l2o.local_updates.adam import Adam
from gnn_l2o.local_updates.adamw import AdamW
from gnn_l2o.local_updates.amsgrad import AMSGrad
from gnn_l2o.local_updates.base import LocalUpdate
from gnn_l2o.local_updates.lion import Lion
from gnn_l2o.local_updates.partial_update import PartialUpdate
from gnn_l2o.local_updates.rmsprop import RMSProp
from gnn_l2o.local_updates.scaled import ScaledUpdate
from gnn_l2o.local_updates.sgdm import SGDm
from gnn_l2o.local_updates.torch_optimizer import TorchOptimizer

UPDATES: Mapping[str, type[ScaledUpdate[Any]]] = {
    "sgdm": SGDm,
    "rmsprop": RMSProp,
    "adam": Adam,
    "adamw": AdamW,
    "lion": Lion,
}
"""The handcrafted ones by the names that methods and descriptions have them by."""

__all__ = [
    "UPDATES",
    "AMSGrad",
    "Adam",
    "AdamW",
    "Lion",
    "LocalUpdate",
    "PartialUpdate",
    "RMSProp",
    "SGDm",
    "ScaledUpdate",
    "TorchOptimizer",
]
