"""Stores tunings on disk, so that a second evaluation of the same is quick."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch

from gnn_l2o._utils.cache import VARIABLE, cache_folder
from gnn_l2o._utils.files import write_text
from gnn_l2o._utils.fingerprint import fingerprint
from gnn_l2o._utils.parse import read_json
from gnn_l2o._utils.source import source_fingerprint
from gnn_l2o.algorithms.driver import Driver
from gnn_l2o.algorithms.tunable import Method
from gnn_l2o.evaluation.instances import Instance
from gnn_l2o.evaluation.tuning import BUDGET, TOLERANCE, Tuning, tune
from gnn_l2o.evaluation.tuning_check import MARGIN
from gnn_l2o.problems import Problem, Stochastic


def tune_or_recall(
    method: Method,
    instances: Sequence[Instance],
    *,
    iterations: int,
    stability: Sequence[Instance] = (),
    margin: float = MARGIN,
    budget: int = BUDGET,
    tolerance: float = TOLERANCE,
    dtype: torch.dtype = torch.float64,
    measure: str = "average",
) -> Tuning:
    """Return what :func:`~gnn_l2o.evaluation.tuning.tune` returns, from the cache if the same was tuned before.

    The same means: the same method, problems, networks, horizon, margin, budget, tolerance, precision and measure, bit
    for bit, the same version of torch, and the same code of the method and of all that tuning runs.

    Args:
        method: the method.
        instances: the problems that settings are tried on.
        iterations: the horizon.
        stability: the problems on which the setting has to converge, however fast.
        margin: the factor of the steps in the check.
        budget: how many settings are tried.
        tolerance: the relative optimality gap.
        dtype: precision of the runs.
        measure: the optimality gap, one of :data:`~gnn_l2o.evaluation.metrics.MEASURES`.
    """
    parts = [[(i.problem, i.network) for i in part] for part in (instances, stability)]
    code = _code_of(method, instances[0].problem)
    key = fingerprint(method, parts, iterations, margin, budget, tolerance, dtype, measure, torch.__version__, code)
    path = cache_folder() / "tuning" / f"{method.name}_{key}.json"
    tuning = _read(path, method)
    if tuning is None:
        tuning = tune(
            method,
            instances,
            iterations=iterations,
            stability=stability,
            margin=margin,
            budget=budget,
            tolerance=tolerance,
            dtype=dtype,
            measure=measure,
        )
        _write(path, tuning)
    return tuning


def _code_of(method: Method, problem: Problem) -> str:
    """Return a hash of the code of a method, a problem, and all that tuning runs."""
    whole = problem.full if isinstance(problem, Stochastic) else problem
    return source_fingerprint(method, type(problem), type(whole), type(problem.regularizer), tune, Driver)


def _read(path: Path, method: Method) -> Tuning | None:
    """Return the tuning in a file; ``None`` if there is none, or none of the method, which a warning says."""
    if not path.is_file():
        return None
    try:
        tuning = Tuning.from_json(read_json(path))
        _check(tuning, method)
        return tuning
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        warnings.warn(f"{path} holds no tuning of {method.name} and is computed again: {error}", stacklevel=3)
        return None


def _check(tuning: Tuning, method: Method) -> None:
    """Check that all settings in a tuning are some of the method.

    Raises:
        ValueError: they are not.
    """
    for setting in (tuning.setting, *(trial.setting for trial in tuning.trials)):
        if setting.keys() != method.grid.keys() or not all(_is_positive(value) for value in setting.values()):
            raise ValueError(f"expected positive numbers {', '.join(method.grid)}, got {setting!r:.200}")
    if not tuning.trials or not all(isinstance(warning, str) for warning in tuning.warnings):
        raise ValueError("expected trials, and warnings that are texts")


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and value > 0


def _write(path: Path, tuning: Tuning) -> None:
    try:
        write_text(path, json.dumps(tuning.to_json(), allow_nan=False) + "\n")
    except OSError as error:
        warnings.warn(
            f"tuning cannot be stored in {path.parent} (${VARIABLE} names another place): {error}", stacklevel=3
        )
