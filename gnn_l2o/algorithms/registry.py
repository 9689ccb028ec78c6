"""Methods by name: the built-in ones, those of other packages, and those in users' files."""

from typing import Any

from gnn_l2o._utils.registry import Registry
from gnn_l2o.algorithms.tunable import Tunable

METHODS: Registry[Tunable[Any]] = Registry("method", Tunable)
