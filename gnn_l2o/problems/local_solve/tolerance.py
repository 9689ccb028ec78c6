"""When a local solve ends."""

import warnings

SOLVE_TOLERANCE = 1e-12
"""Of the residual of the optimality condition, relative to the terms that cancel in it."""


def warn_unfinished(method: str, nodes: int, steps: int) -> None:
    """Say that some nodes did not reach the tolerance of a local solve."""
    warnings.warn(f"{method}: {nodes} nodes missed the tolerance in {steps} steps", RuntimeWarning, stacklevel=3)
