"""Keeps what tuning found on disk, so that a second evaluation of the same is quick."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from gnn_l2o._utils.cache import VARIABLE, cache_folder
from gnn_l2o._utils.files import write_text
from gnn_l2o._utils.fingerprint import fingerprint, source_code
from gnn_l2o.algorithms.tunable import Tunable
from gnn_l2o.evaluation.instances import Instance
from gnn_l2o.evaluation.tuning import BUDGET, TOLERANCE, Tuning, tune


def tune_or_recall(
    method: type[Tunable[Any]],
    instances: Sequence[Instance],
    *,
    iterations: int,
    budget: int = BUDGET,
    tolerance: float = TOLERANCE,
    dtype: torch.dtype = torch.float64,
) -> Tuning:
    """Return what :func:`~gnn_l2o.evaluation.tuning.tune` returns, from the cache if it was asked the same before.

    The same means: the same method, problems, networks, horizon, budget, tolerance and precision, bit for bit, and the
    same code of this library and version of torch.

    Args:
        method: what is tuned.
        instances: on which.
        iterations: the horizon.
        budget: how many settings are tried.
        tolerance: the gap that they race for.
        dtype: precision of the runs.
    """
    parts = [(i.problem, i.network) for i in instances]
    key = fingerprint(method, parts, iterations, budget, tolerance, dtype, torch.__version__, source_code())
    path = cache_folder() / "tuning" / f"{method.name}_{key}.json"
    kept = _read(path)
    if kept is None:
        kept = tune(method, instances, iterations=iterations, budget=budget, tolerance=tolerance, dtype=dtype)
        _write(path, kept)
    return kept


def _read(path: Path) -> Tuning | None:
    try:
        return Tuning.from_json(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        warnings.warn(f"{path} cannot be read and is made anew: {error}", stacklevel=3)
        return None


def _write(path: Path, tuning: Tuning) -> None:
    try:
        write_text(path, json.dumps(tuning.to_json(), allow_nan=False) + "\n")
    except OSError as error:
        warnings.warn(
            f"tuning cannot be kept in {path.parent} (${VARIABLE} names another place): {error}", stacklevel=3
        )
