"""Which algorithms and metrics take part in an evaluation: by name, by path, or as objects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gnn_l2o._utils.errors import InputError, about, unknown
from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.registry import METHODS
from gnn_l2o.algorithms.tunable import Method, Tunable
from gnn_l2o.decentralized import WRAPPED
from gnn_l2o.evaluation.configured import configured
from gnn_l2o.evaluation.metrics import METRICS, Metric, OptimalityGap
from gnn_l2o.evaluation.record import TRACE_COLUMNS
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import ALIASES, HANDCRAFTED
from gnn_l2o.learned import TUNED, load_model
from gnn_l2o.limits import LIMITS, RECOVERY, Limit
from gnn_l2o.problems import Problem
from gnn_l2o.step_sizes import UNTUNED

TUNED_REFERENCES = ("tracked_adam",)
"""Tuned methods that untuned ones are compared with where losses are smooth, r = 0."""

GROUPS = ("all", "handcrafted", "tuned", "local_updates", "untuned")
"""Names that stand for several methods, see :func:`members`."""


def members(group: str) -> tuple[str, ...]:
    """Return the names of the methods that a group stands for.

    ``"tuned"`` is MiLoDo's rule with tuned constants, ``"handcrafted"`` all other methods, those that users registered
    included; ``"all"`` is both. Two groups are in no other: ``"local_updates"``, every wrapper around every handcrafted
    local update, and ``"untuned"``, the methods that run with their defaults and the tuned :data:`TUNED_REFERENCES`.
    """
    known = {*HANDCRAFTED, *TUNED, *WRAPPED, *UNTUNED}
    others = tuple(name for name in METHODS.names() if name not in known)
    return {
        "all": (*HANDCRAFTED, *TUNED, *others),
        "handcrafted": (*HANDCRAFTED, *others),
        "tuned": tuple(TUNED),
        "local_updates": tuple(WRAPPED),
        "untuned": (*UNTUNED, *TUNED_REFERENCES),
    }[group]


def choose_models(models: Sequence[str | Path | Algorithm[Any]]) -> dict[str, Algorithm[Any]]:
    """Return the algorithms that are not tuned by name, loading learned ones that are given by name or path.

    A model may also be a method with all its parameters, or MetaOptimize (:func:`.configured`).

    Raises:
        InputError: a model cannot be loaded, or two algorithms have the same name.
    """
    chosen: dict[str, Algorithm[Any]] = {}
    for model in models:
        with about(model=model):
            if not isinstance(model, str | Path | Algorithm):
                raise InputError(f"expected the name or path of a trained optimizer, or an algorithm; got {model!r}")
            algorithm = model if isinstance(model, Algorithm) else _given(model)
            if algorithm.name in chosen or algorithm.name in METHODS:
                raise _taken(algorithm.name)
            chosen[algorithm.name] = algorithm
    return chosen


def choose_methods(names: Sequence[str | Method]) -> dict[str, Method]:
    """Return methods by name.

    Args:
        names: names of methods, of :data:`~gnn_l2o.handcrafted.ALIASES` or of :data:`GROUPS`; paths of Python files
            that define a method; or the classes themselves.

    Raises:
        InputError: a name is unknown, or two methods have the same name.
    """
    chosen: dict[str, Method] = {}
    for name in names:
        with about(algorithms=name):
            for method in [METHODS[m] for m in members(name)] if name in GROUPS else [_method(name)]:
                if not _same(chosen.setdefault(method.name, method), method):
                    raise _taken(method.name)
    return chosen


def choose_references(names: Sequence[str | Method]) -> tuple[str, ...]:
    """Return the names of reference methods, which may be given as methods are.

    Raises:
        InputError: a name is unknown.
    """
    chosen = []
    for name in names:
        with about(references=name):
            chosen.append(_method(name).name)
    return tuple(dict.fromkeys(chosen))


def choose_metrics(names: Sequence[str | Metric], measure: type[Metric] = OptimalityGap) -> dict[str, Metric]:
    """Return metrics by name, the optimality gaps among them in any case.

    Args:
        names: names of metrics, paths of Python files that define a metric, or objects.
        measure: the optimality gap that rounds are counted to.

    Raises:
        InputError: a name is unknown, or two columns of a trace would have the same name.
    """
    chosen: dict[str, Metric] = {}
    for name in names:
        with about(metrics=name):
            metric = name if isinstance(name, Metric) else METRICS[name]()
            if metric.name in chosen or metric.name in TRACE_COLUMNS:
                raise InputError(f"two columns of the trace are called {metric.name!r}; expected different names")
            chosen[metric.name] = metric
    missing = {kind.name: kind() for kind in (OptimalityGap, measure) if kind.name not in chosen}
    return {**missing, **chosen}


def choose_limits(names: Sequence[str]) -> dict[str, Limit[Any]]:
    """Return limits by name.

    Raises:
        InputError: a name is unknown.
    """
    known = {**LIMITS, **RECOVERY}
    for name in names:
        if name not in known:
            with about(limits=name):
                raise unknown("limit", name, known)
    return {name: known[name] for name in names}


def why_not(algorithm: Algorithm[Any] | Method, problem: Problem, network: Network, *, stochastic: bool) -> str | None:
    """Return why an algorithm, or a method whatever its parameters are, cannot run there; ``None`` if it can.

    Args:
        algorithm: the algorithm or method.
        problem: in the form in which the algorithm sees it.
        network: likewise.
        stochastic: whether the gradients of the problem are.
    """
    if isinstance(algorithm, Algorithm):
        return algorithm.refusal(problem, network)
    if algorithm.stochastic and not stochastic:
        return f"{algorithm.label} is for stochastic gradients; here they are exact"
    if algorithm.min_max and problem.maximized is None:
        return f"{algorithm.label} is for min-max problems; here all coordinates are minimized"
    return algorithm.from_setting(problem, algorithm.settings(1)[0]).refusal(problem, network)


def _given(model: str | Path) -> Algorithm[Any]:
    """Return an algorithm that is given by name or path, or by a line with its parameters."""
    return (configured(model) if isinstance(model, str) else None) or load_model(model)


def _method(name: str | Method) -> Method:
    """Return a method, whose name no other method has."""
    if isinstance(name, str):
        name = ALIASES.get(name, name)
        if name not in METHODS and not name.partition("::")[0].endswith(".py"):
            raise unknown("method", name, [*GROUPS, *METHODS.names()])
        method = METHODS[name]
    elif isinstance(name, type) and issubclass(name, Tunable):
        method = name
    else:
        raise InputError(f"expected the name of a method, the path of its file, or its class; got {name!r}")
    if method.name in METHODS and not _same(METHODS[method.name], method):
        raise _taken(method.name)
    return method


def _same(one: Method, other: Method) -> bool:
    """Tell whether two classes are one, as it is when its file is executed again."""
    return (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)


def _taken(name: str) -> InputError:
    return InputError(f"two algorithms are called {name!r}; expected different names")
