"""Methods with parameters from a line of text."""

from __future__ import annotations

from gnn_l2o._utils.errors import InputError, unknown
from gnn_l2o.algorithms.tunable import Method, Setting


def parse_parameters(method: Method, text: str) -> Setting:
    """Return the parameters in what follows the colon of a line such as ``"prox_ed:step_size=0.1"``.

    They are some or all of those in the grid of the method; in which units, and what the others are, the caller says.

    Args:
        method: whose parameters they are.
        text: ``"key=value,key=value"``, or nothing.

    Raises:
        InputError: the method has no such parameter, or a value is no number.
    """
    given: Setting = {}
    for item in filter(None, text.split(",")):
        key, _, value = item.partition("=")
        if key not in method.grid:
            raise unknown(f"parameter of {method.name}:", key, method.grid)
        try:
            given[key] = float(value)
        except ValueError:
            raise InputError(f"{key} of {method.name} is a number, got {value!r}") from None
    return given
