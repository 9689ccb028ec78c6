"""Runs without a race, and trials whose outcome is written down."""

from typing import Any

import numpy as np

from gnn_l2o.algorithms.tunable import Tunable
from gnn_l2o.evaluation import Instance
from gnn_l2o.evaluation.tuning_race import Trial
from tests.evaluation.small_instances import traced


def run_alone(
    method: type[Tunable[Any]], setting: dict[str, float], on: list[Instance], iterations: int, tolerance: float = 1e-4
) -> list[float]:
    """Return the rounds to the tolerance on every instance, each run by itself and to the end."""
    needed = []
    for part in on:
        trace = traced(method.from_setting(part.problem, setting), part, iterations)
        reached = trace.reached(tolerance)
        needed.append(np.inf if reached is None else trace.spent[reached].rounds)
    return needed


def trial(step: float, rounds: list[float], gap: list[float] | None = None, *, stopped: bool = False) -> Trial:
    gaps = [1e-5 if np.isfinite(r) else 1e-2 for r in rounds] if gap is None else gap
    return Trial({"step_size": step}, tuple(rounds), tuple(gaps), stopped)


INF = float("inf")
