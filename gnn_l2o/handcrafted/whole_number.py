"""Parameters that count something."""

from __future__ import annotations

from typing import Any

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.tunable import Tunable


def check_whole(method: Tunable[Any], name: str, what: str) -> None:
    """Check that a positive parameter of a method is a whole number.

    Args:
        method: whose parameter.
        name: of the parameter.
        what: is counted, in words.

    Raises:
        InputError: it is not.
    """
    value = getattr(method, name)
    if value != int(value):
        nearest = max(1, round(value))
        raise InputError(f"{method.name} needs a whole number of {what}, got {value}; try {nearest}")
