"""The protocol of every optimizer, the tuning of methods with parameters, and the registry of names."""

# Imported here so that the registry exists wherever a class can derive from its base class.
from gnn_l2o.algorithms.registry import METHODS

__all__ = ["METHODS"]
