"""What is counted of a problem."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Calls:
    """Numbers of evaluations; one at all nodes counts as one.

    Attributes:
        gradients: evaluations of the local gradients, those inside local solves apart.
        proxes: evaluations of the prox, those inside local solves apart.
        solves: local solves.
        solve_gradients: evaluations of the gradients, or products of the same cost, inside local solves.
    """

    gradients: int = 0
    proxes: int = 0
    solves: int = 0
    solve_gradients: int = 0
