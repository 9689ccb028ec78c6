"""Algorithms with given parameters, from a line of text."""

from __future__ import annotations

from typing import Any

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.parameters import parse_parameters
from gnn_l2o.algorithms.registry import METHODS
from gnn_l2o.handcrafted import ALIASES
from gnn_l2o.step_sizes.description import is_metaoptimize, parse


def configured(spec: str) -> Algorithm[Any] | None:
    """Return what a line such as ``"tracked_adam:step_size=0.01"`` describes; ``None`` if it is no such line.

    It is the name of a method with all of its parameters, as its class takes them, or a description of
    :func:`~gnn_l2o.step_sizes.description.parse`. The algorithm is called as the line is.

    Raises:
        InputError: a parameter is unknown, missing or wrong.
    """
    if is_metaoptimize(spec):
        return parse(spec)
    head, _, tail = spec.partition(":")
    head = ALIASES.get(head, head)
    if not tail or head not in METHODS:  # in this order: what is not here is looked for among installed packages
        return None
    method: Any = METHODS[head]
    given = parse_parameters(method, tail)
    missing = [key for key in method.grid if key not in given]
    if missing:
        raise InputError(f"{method.name} needs the parameters {', '.join(method.grid)}; {', '.join(missing)} missing")
    renamed = type(
        method.__name__, (method,), {"__module__": method.__module__, "__doc__": method.__doc__, "name": spec}
    )
    algorithm: Algorithm[Any] = renamed(**given)
    return algorithm
