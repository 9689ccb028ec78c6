"""Who takes part in an evaluation: models and methods by name, and where they do not apply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gnn_l2o._utils.errors import InputError, about, unknown
from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.tunable import Tunable
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import HANDCRAFTED
from gnn_l2o.learned import TUNED, load_model
from gnn_l2o.problems import Problem

METHODS: Mapping[str, type[Tunable[Any]]] = {**HANDCRAFTED, **TUNED}
"""All that is tuned for every cell."""

ALIASES: Mapping[str, str] = {
    "atc": "diffusion",
    "aug_dgm": "prox_atc",
    "dgd": "prox_dgd",
    "dlm": "inexact_admm",
    "ed": "prox_ed",
    "exact_diffusion": "prox_ed",
    "extra": "pg_extra",
    "mudag": "prox_mudag",
}
"""What methods are called where there is no regularizer."""

GROUPS: Mapping[str, tuple[str, ...]] = {
    "all": tuple(METHODS),
    "handcrafted": tuple(HANDCRAFTED),
    "tuned": tuple(TUNED),
}
"""What stands for several methods."""


def choose_models(models: Sequence[str | Path | Algorithm[Any]]) -> dict[str, Algorithm[Any]]:
    """Return learned optimizers by name, loading those that are named.

    Raises:
        InputError: one cannot be loaded, or two have the same name.
    """
    chosen: dict[str, Algorithm[Any]] = {}
    for model in models:
        with about(model=model):
            algorithm = model if isinstance(model, Algorithm) else load_model(model)
            if algorithm.name in chosen or algorithm.name in METHODS:
                raise InputError(f"two algorithms are called {algorithm.name!r}; expected different names")
            chosen[algorithm.name] = algorithm
    return chosen


def choose_methods(names: Sequence[str]) -> dict[str, type[Tunable[Any]]]:
    """Return the methods that names of methods, also those of :data:`ALIASES`, and of groups stand for, by name.

    Raises:
        InputError: a name is unknown.
    """
    chosen: dict[str, type[Tunable[Any]]] = {}
    for name in (ALIASES.get(name, name) for name in names):
        if name not in METHODS and name not in GROUPS:
            with about(algorithms=name):
                raise unknown("method", name, [*GROUPS, *METHODS])
        chosen |= {member: METHODS[member] for member in GROUPS.get(name, (name,))}
    return chosen


def refusal(
    contestant: Algorithm[Any] | type[Tunable[Any]], problem: Problem, network: Network, *, stochastic: bool
) -> str | None:
    """Return why an algorithm, or a method whatever its parameters, cannot run there; ``None`` if it can.

    Args:
        contestant: the algorithm or method.
        problem: as it sees it.
        network: as it sees it.
        stochastic: whether the problem's gradients are.
    """
    if isinstance(contestant, Algorithm):
        return contestant.refusal(problem, network)
    if contestant.stochastic and not stochastic:
        return f"{contestant.label} is for stochastic gradients; here they are exact"
    return contestant.from_setting(problem, contestant.settings(1)[0]).refusal(problem, network)
