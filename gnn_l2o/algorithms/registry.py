"""The methods with parameters, by name."""

from __future__ import annotations

from typing import Any

from gnn_l2o._utils.registry import Registry
from gnn_l2o.algorithms.tunable import Tunable

METHODS: Registry[Tunable[Any]] = Registry("method", Tunable)
"""Built-in methods join when :mod:`gnn_l2o.handcrafted` and :mod:`gnn_l2o.learned` are imported."""
