"""Learned decentralized optimization as a message-passing graph neural network.

What users type: :class:`Network`, :class:`DirectedNetwork` and :func:`build_network`, :func:`minimize` and
:func:`minimize_problem`, :class:`DecentralizedLasso` and :class:`DecentralizedLogisticRegression`, :func:`load_model`,
:func:`evaluate`, :func:`train_module`, :class:`ModuleSession`, :class:`MiLoDoBlock`, :func:`register`, and the modules
``nn``, ``problems`` and ``handcrafted``. Each is imported when it is first asked for, so that a plug-in that needs a
single class does not import all the rest.
"""

import importlib
from typing import TYPE_CHECKING, Any

from gnn_l2o._version import __version__

if TYPE_CHECKING:
    from gnn_l2o import handcrafted, nn, problems
    from gnn_l2o._utils.registry import register
    from gnn_l2o.applications.estimators import DecentralizedLasso, DecentralizedLogisticRegression
    from gnn_l2o.applications.minimize import minimize, minimize_problem
    from gnn_l2o.applications.module_training import ModuleSession, train_module
    from gnn_l2o.evaluation import evaluate
    from gnn_l2o.graph import DirectedNetwork, Network, build_network
    from gnn_l2o.learned import MiLoDoBlock, load_model

__all__ = [
    "DecentralizedLasso",
    "DecentralizedLogisticRegression",
    "DirectedNetwork",
    "MiLoDoBlock",
    "ModuleSession",
    "Network",
    "__version__",
    "build_network",
    "evaluate",
    "handcrafted",
    "load_model",
    "minimize",
    "minimize_problem",
    "nn",
    "problems",
    "register",
    "train_module",
]

_HOMES = {
    "DecentralizedLasso": "gnn_l2o.applications.estimators",
    "DecentralizedLogisticRegression": "gnn_l2o.applications.estimators",
    "DirectedNetwork": "gnn_l2o.graph",
    "MiLoDoBlock": "gnn_l2o.learned",
    "ModuleSession": "gnn_l2o.applications.module_training",
    "Network": "gnn_l2o.graph",
    "build_network": "gnn_l2o.graph",
    "evaluate": "gnn_l2o.evaluation",
    "load_model": "gnn_l2o.learned",
    "minimize": "gnn_l2o.applications.minimize",
    "minimize_problem": "gnn_l2o.applications.minimize",
    "register": "gnn_l2o._utils.registry",
    "train_module": "gnn_l2o.applications.module_training",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in __all__:
        return importlib.import_module(f"gnn_l2o.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
