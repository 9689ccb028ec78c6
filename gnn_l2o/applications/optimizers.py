"""The optimizer of an application, from a name, a path or an object."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch

from gnn_l2o._utils.errors import InputError, unknown
from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.parameters import parse_parameters
from gnn_l2o.algorithms.registry import METHODS
from gnn_l2o.algorithms.tunable import Tunable
from gnn_l2o.handcrafted import ALIASES
from gnn_l2o.learned import available_models, load_model
from gnn_l2o.learned.architecture import Movable
from gnn_l2o.problems import Problem
from gnn_l2o.step_sizes.description import is_metaoptimize, parse


def choose_optimizer(
    optimizer: str | Path | Algorithm[Any], problem: Problem
) -> tuple[Algorithm[Any], dict[str, float]]:
    """Return the algorithm that is meant, in float64, and those of its parameters that have default values.

    Args:
        optimizer: the name or path of a trained optimizer; the name of a method, or the path of its file, perhaps with
            parameters as its class takes them, ``"prox_ed:step_size=0.1"``; or an algorithm. The default of a
            parameter is the middle of the range over which evaluations tune it, in units of the problem
            (:class:`~gnn_l2o.algorithms.tunable.Range`), or the first listed value: a guess, not tuned.
            ``"metaoptimize:base=adamw,meta=lion"`` learns its step size (:func:`gnn_l2o.step_sizes.metaoptimize`).
        problem: what it is to minimize.

    Raises:
        InputError: there is no such optimizer, or a parameter is unknown or wrong.
    """
    if isinstance(optimizer, Algorithm):
        return _in_float64(optimizer), {}
    if not isinstance(optimizer, str | Path):
        raise InputError(
            "an optimizer is the name of a trained optimizer or method, or an algorithm such as "
            f"ProxED(step_size=0.1); got {getattr(optimizer, '__name__', type(optimizer).__name__)}"
        )
    spec = str(optimizer)
    if is_metaoptimize(spec):
        return parse(spec), {}
    head, _, tail = spec.rpartition(":") if "=" in spec.rpartition(":")[2] else (spec, "", "")
    name = ALIASES.get(head, head)
    if name in METHODS or name.partition("::")[0].endswith(".py"):
        return _method(METHODS[name], tail, problem)
    if head in available_models() or Path(head).is_dir():
        return _in_float64(load_model(spec)), {}
    raise unknown("optimizer", head, [*available_models(), *METHODS.names()])


def _in_float64(algorithm: Algorithm[Any]) -> Algorithm[Any]:
    return algorithm.to(dtype=torch.float64) if isinstance(algorithm, Movable) else algorithm


def _method(method: type[Tunable[Any]], text: str, problem: Problem) -> tuple[Algorithm[Any], dict[str, float]]:
    given = parse_parameters(method, text)
    untuned = method.from_setting(problem, method.settings(1)[0])
    defaults = {name: float(getattr(untuned, name)) for name in method.grid if name not in given}
    return dataclasses.replace(untuned, **given), defaults  # type: ignore[type-var]  # methods are dataclasses
