"""What an evaluation consists of. Every setting is checked before anything is computed or written."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import networkx as nx
import torch

from gnn_l2o._utils.errors import InputError, about, unknown
from gnn_l2o._utils.fingerprint import fingerprint
from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.stopping import StoppingRule
from gnn_l2o.algorithms.tunable import Method
from gnn_l2o.evaluation.metrics import BUILT_IN, MEASURES, Metric
from gnn_l2o.evaluation.record import SHOWN, TOLERANCES
from gnn_l2o.evaluation.seeds import INSTANCES
from gnn_l2o.evaluation.selection import choose_limits, choose_methods, choose_metrics, choose_models, choose_references
from gnn_l2o.evaluation.tuning import BUDGET, TOLERANCE
from gnn_l2o.graph.faults import Faults
from gnn_l2o.graph.mixing import MIXING
from gnn_l2o.graph.network import Network
from gnn_l2o.learned import TUNED
from gnn_l2o.limits import LIMITS, Limit

DTYPES = {"float64": torch.float64, "float32": torch.float32}

TUNINGS = ("held_out", "oracle")

Models = str | Path | Algorithm[Any] | Sequence[str | Path | Algorithm[Any]]
"""One or several trained optimizers."""

_RANGES: dict[str, tuple[int, int | None]] = {
    "instances": (1, INSTANCES),
    "iterations": (1, 10**9),
    "seed": (0, None),
    "batch_size": (1, None),
    "permute_labels": (1, None),
    "tuning_budget": (1, 10**5),
    "tuning_instances": (1, INSTANCES),
}
_LISTS = (
    "models",
    "datasets",
    "topologies",
    "nodes",
    "algorithms",
    "references",
    "limits",
    "metrics",
    "stop",
    "tolerances",
)


@dataclass(frozen=True)
class Plan:
    """The settings of an evaluation: which algorithms run on which problems over which networks, and what is measured.

    An algorithm runs in every case, a dataset on a topology of one size. Every instance has data of its own and, where
    its topology is random, a graph of its own. Algorithms that do not apply to a case are left out there, and the
    results say why.

    Where an attribute is a list, a single value may be given without the list: ``models="milodo_gnn", nodes=10``.

    Attributes:
        models: names or paths of trained optimizers, or algorithms of any kind; models are not tuned. Those with a
            method ``to`` run as a copy in ``dtype``.
        datasets: specs, ``"lasso:features=300"``.
        topologies: specs, ``"erdos_renyi:p=0.3"``.
        nodes: sizes; a topology of fixed size is run once, at its own.
        algorithms: what is tuned in every case: names of methods, or of groups of them
            (:data:`~gnn_l2o.evaluation.selection.GROUPS`), paths of Python files that define a method, or classes; all
            methods by default.
        references: the methods that every table compares models with, beside the best handcrafted method; given by name
            or path or as a class.
        limits: what all others are shown beside, names of :data:`~gnn_l2o.limits.LIMITS`, all of them by default, or of
            :data:`~gnn_l2o.limits.RECOVERY`.
        measure: the optimality gap that rounds are counted to, in tuning as in all tables: that of the ``"average"`` of
            the nodes, or that of the ``"worst"`` node.
        metrics: what is measured at the checkpoints: names, paths of Python files that define a
            :class:`~gnn_l2o.evaluation.Metric`, or objects. The optimality gap is measured in any case, since rounds
            are counted to it.
        stop: rules that end a run before its last iteration; tuning does without them.
        instances: problems in each case.
        iterations: of each run.
        seed: of everything.
        mixing: the mixing weights of all networks.
        dtype: precision of the runs, ``"float64"`` or ``"float32"``. Distances from an optimum are measured in float64.
        batch_size: samples that a node draws for a gradient; ``None`` for all it has. Methods are tuned and run with
            such gradients, and measured on the whole problem.
        permute_labels: after how many iterations labels change (:class:`.PermutedLabels`); ``None`` for never.
        faults: of links and nodes in the runs, a :class:`.Faults` or what :meth:`.Faults.parse` reads; none by default.
            Their seed and that of the instance decide what fails. Methods are tuned without faults.
        tuning_budget: settings tried for each method.
        tuning: ``"held_out"``: settings are tried on other instances than those that are evaluated. ``"oracle"``: on
            the evaluated ones themselves, all of them, so that no method can be tuned better.
        tuning_instances: held-out problems in each case that settings are tried on; by default 3, and 5 where the
            topology is random. As many more are there for stability (:func:`~gnn_l2o.evaluation.tuning.tune`).
        tuning_tolerance: the relative optimality gap that methods are tuned to reach in the fewest rounds. The overview
            compares the rounds to this tolerance.
        tolerances: the relative optimality gaps that the tables show.

    Raises:
        InputError: a number is out of its range, or a name unknown; ``given`` says which.
    """

    models: Sequence[str | Path | Algorithm[Any]] = ()
    datasets: Sequence[str] = ("lasso",)
    topologies: Sequence[str] = ("ring",)
    nodes: Sequence[int] = (10,)
    algorithms: Sequence[str | Method] = ("all",)
    references: Sequence[str | Method] = ("prox_ed",)
    limits: Sequence[str] = tuple(LIMITS)
    metrics: Sequence[str | Metric] = BUILT_IN
    measure: str = "average"
    stop: Sequence[StoppingRule] = ()
    instances: int = 5
    iterations: int = 2000
    seed: int = 0
    mixing: str = "metropolis"
    dtype: str = "float64"
    batch_size: int | None = None
    permute_labels: int | None = None
    faults: Faults | str = ""
    tuning_budget: int = BUDGET
    tuning: str = "held_out"
    tuning_instances: int | None = None
    tuning_tolerance: float = TOLERANCE
    tolerances: Sequence[float] = SHOWN

    def __post_init__(self) -> None:
        for name in _LISTS:
            object.__setattr__(self, name, _listed(name, getattr(self, name)))
        for name in ("datasets", "topologies", "nodes"):
            object.__setattr__(self, name, tuple(dict.fromkeys(getattr(self, name))))
        self._check_numbers()
        self._check_tolerances()
        self._read_faults()
        listed = (("mixing", MIXING), ("dtype", DTYPES), ("tuning", TUNINGS), ("measure", MEASURES))
        for name, known in listed:
            if getattr(self, name) not in known:
                with about(**{name: getattr(self, name)}):
                    raise unknown(name, getattr(self, name), known)
        for rule in self.stop:
            if not isinstance(rule, StoppingRule):
                raise InputError(f"stop must be a list of stopping rules, such as MaxRounds(100), got {rule!r}")
        _ = self.chosen_references, self.chosen_metrics, self.participants
        if not self.competitors:
            raise InputError("nothing to evaluate; expected a model or a method")

    def _check_numbers(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if value is None and name in ("batch_size", "permute_labels", "tuning_instances"):
                continue
            with about(**{name: value}):
                _check_whole(value)
                if value < low or (high is not None and value > high):
                    upper = "" if high is None else f" and at most {high}"
                    raise InputError(f"expected at least {low}{upper}, got {value}")
        for nodes in self.nodes:
            with about(nodes=nodes):
                _check_whole(nodes)

    def _check_tolerances(self) -> None:
        named = [("tuning_tolerance", self.tuning_tolerance), *(("tolerance", t) for t in self.tolerances)]
        for name, tolerance in named:
            if tolerance not in TOLERANCES:
                with about(**{name: tolerance}):
                    raise InputError(f"expected one of 1e-1, 1e-2, ... 1e-15, got {tolerance}")

    def _read_faults(self) -> None:
        with about(faults=self.faults):
            faults = Faults.parse(self.faults) if isinstance(self.faults, str) else self.faults
            if isinstance(faults.links, tuple):
                raise InputError(
                    "links of given rounds are for one network; expected a number of rounds, as in 'links=3'"
                )
        object.__setattr__(self, "faults", faults)

    @cached_property
    def chosen_models(self) -> dict[str, Algorithm[Any]]:
        """The learned optimizers, by name."""
        return choose_models(self.models)

    @cached_property
    def chosen_methods(self) -> dict[str, Method]:
        """The methods that are tuned in every case, by name."""
        return choose_methods(self.algorithms)

    @cached_property
    def chosen_references(self) -> tuple[str, ...]:
        """The names of the reference methods."""
        return choose_references(self.references)

    @cached_property
    def chosen_limits(self) -> dict[str, Limit[Any]]:
        """The limits, by name."""
        return choose_limits(self.limits)

    @cached_property
    def chosen_metrics(self) -> dict[str, Metric]:
        """The metrics, by name."""
        return choose_metrics(self.metrics, MEASURES[self.measure])

    @cached_property
    def competitors(self) -> dict[str, Algorithm[Any] | Method]:
        """The algorithms that are compared with each other, by name, the methods first."""
        for name in self.chosen_models:
            if name in self.chosen_methods:
                with about(model=name):
                    raise InputError(f"two algorithms are called {name!r}; expected different names")
        return {**self.chosen_methods, **self.chosen_models}

    @cached_property
    def participants(self) -> dict[str, Algorithm[Any] | Method]:
        """All algorithms that run, by name, the limits last."""
        for name in self.chosen_limits:
            if name in self.competitors:
                with about(limits=name):
                    raise InputError(f"another algorithm is called {name!r}; expected different names")
        return {**self.competitors, **self.chosen_limits}

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides the outcome, as JSON can hold it."""
        given = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        for name in ("models", "algorithms", "tolerances"):
            del given[name]
        given |= {
            "references": self.chosen_references,
            "metrics": tuple(self.chosen_metrics),
            "stop": tuple(map(repr, self.stop)),
            "faults": str(self.faults),
        }
        return {
            "models": {name: fingerprint(model)[:16] for name, model in self.chosen_models.items()},
            "handcrafted": [name for name in self.chosen_methods if name not in TUNED],
            "tuned": [name for name in self.chosen_methods if name in TUNED],
            **{name: list(value) if isinstance(value, tuple) else value for name, value in given.items()},
        }


def make_plan(plan: Plan | Models | None, settings: dict[str, Any]) -> Plan:
    """Return a plan that is given whole, or by its models and other settings.

    Raises:
        InputError: a plan has settings beside it, or a setting is unknown or wrong.
    """
    if isinstance(plan, Plan):
        if settings:
            raise InputError(f"a plan has all settings; expected none beside it, got {', '.join(settings)}")
        return plan
    known = [f.name for f in dataclasses.fields(Plan)]
    for name in settings:
        if name not in known:
            raise unknown("setting of an evaluation:", name, known)
    if plan is None:
        return Plan(**settings)
    if "models" in settings:
        raise InputError(f"models are given twice, as {plan!r} and as {settings['models']!r}; expected them once")
    return Plan(models=plan, **settings)  # type: ignore[arg-type]  # a single one, of which it makes a list


def _listed(name: str, value: Any) -> tuple[Any, ...]:
    """Return the values of a setting that is a list; a single one may be given without the list.

    Raises:
        InputError: datasets or topologies are not named.
    """
    single = isinstance(value, str | nx.Graph | Network) or not isinstance(value, Iterable)
    values = (value,) if single else tuple(value)
    if name in ("datasets", "topologies"):
        values = tuple(str(v) if isinstance(v, Path) else v for v in values)
        for other in (v for v in values if not isinstance(v, str)):
            hint = {"datasets": "lasso", "topologies": "ring"}[name]
            graph = "; networkx.write_gml(graph, 'graph.gml') makes 'from_file:path=graph.gml' one"
            raise InputError(
                f"{name} are names or paths of files, such as {hint!r}, so that results can say what was run; got a "
                f"{type(other).__name__}{graph if name == 'topologies' else ''}"
            )
    return values


def _check_whole(value: Any) -> None:
    try:
        operator.index(value)
    except TypeError:
        raise InputError(f"expected a whole number, got {value!r}") from None
