"""Learned decentralized optimization as a message-passing graph neural network."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gnn_l2o.evaluation import evaluate
    from gnn_l2o.module_training import train_module

__version__ = "0.4.0"
__all__ = ["evaluate", "train_module"]


def __getattr__(name: str) -> Any:
    # Only when asked for: evaluation imports all the rest, which a plug-in that wants a single class can do without.
    if name == "evaluate":
        from gnn_l2o.evaluation import evaluate

        return evaluate
    if name == "train_module":
        from gnn_l2o.module_training import train_module

        return train_module
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
