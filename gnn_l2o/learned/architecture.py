"""What every kind of learned optimizer declares, so that all are trained, saved and loaded alike."""

from __future__ import annotations

import copy
import dataclasses
import math
import types
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar, get_args, get_origin, get_type_hints

import torch
from torch import nn

from gnn_l2o._utils.errors import InputError, unknown
from gnn_l2o._utils.memory import require_memory
from gnn_l2o.algorithms.base import Algorithm, State
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Problem

GRID_SEARCH = "grid_search"
"""The initialization that training finds by trying constants: :mod:`gnn_l2o.training.grid_search`."""

LARGEST = 10**9
"""The largest whole number that a setting may be."""

Weights = TypeVar("Weights", bound=nn.Module)


@dataclass(frozen=True)
class Architecture(ABC, Generic[Weights]):
    """What a learned optimizer is made of, apart from its weights: the ``[architecture]`` of a recipe.

    Subclasses are frozen dataclasses whose attributes are the settings of that table: numbers, truth values and texts.

    Attributes:
        name: what recipes (as ``kind``) and the command line call it.
        description: what it is, for a model's card; ends in what its weights are.
        scope: what it runs on, for the card.
        inits: the initializations from which training may begin; the first is the default.
        may_be_zero: the whole numbers among the attributes that may be 0; the others are at least 1.
        renamed: what attributes were called in recipes of earlier versions, with their names of today.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    scope: ClassVar[str]
    inits: ClassVar[tuple[str, ...]]
    may_be_zero: ClassVar[tuple[str, ...]] = ()
    renamed: ClassVar[Mapping[str, str]] = {}

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            _check_type(self.name, field.name, value, hints[field.name])
            smallest = 0 if field.name in self.may_be_zero else 1
            if type(value) is int and not smallest <= value <= LARGEST:
                raise InputError(f"{field.name} of a {self.name} lies between {smallest} and {LARGEST}, got {value}")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Return the architecture with these attributes, the defaults for those not given.

        Raises:
            InputError: a name is unknown, or a value of the wrong type.
        """
        values = with_new_names(values, cls.renamed)
        known = {f.name for f in dataclasses.fields(cls)}
        for name in values:
            if name not in known:
                raise unknown(f"{cls.name} architecture setting", name, known)
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return the kind and all attributes that are set."""
        return {"kind": self.name, **{k: v for k, v in dataclasses.asdict(self).items() if v is not None}}

    def bind(self, problem: Problem, network: Network) -> Self:
        """Return the architecture made to measure for this graph and dimension; itself if it is, or suits all."""
        return self

    @property
    def default_step_size(self) -> float | None:
        """The initial step size of training if none is given; ``None`` for a kind that has none."""
        return None

    @property
    def step_size_limit(self) -> float:
        """What the initial step size must stay below."""
        return math.inf

    @abstractmethod
    def build(self) -> Weights:
        """Return newly drawn weights; also on torch's device ``"meta"``, on which they take no memory."""

    def initialize(self, weights: Weights, init: str, step_size: float | None) -> None:
        """Set newly drawn weights to one of the initializations.

        Args:
            weights: of :meth:`build`.
            init: one of ``inits``; ``"random"`` leaves them as they are.
            step_size: the initial step size, ``None`` for a kind that has none.

        Raises:
            InputError: these settings do not allow this initialization.
        """

    @abstractmethod
    def algorithm(self, weights: Weights, name: str | None = None) -> Movable[Any]:
        """Return the optimizer that these weights make, by default called like its kind."""


class Movable(Algorithm[State]):
    """An algorithm that can be moved to another device or precision.

    Attributes:
        run_settings: the attributes, whole numbers, that a run may set: ``--model milodo_local:local_steps=16``.
        run_choices: likewise texts, each with the values that it may have: ``--model alista:sums=sum``.
        weights: the module that is trained.
        architecture: what it is made of, if it was loaded.
    """

    run_settings: ClassVar[tuple[str, ...]] = ()
    run_choices: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    weights: nn.Module
    architecture: Architecture[Any] | None = None

    @classmethod
    def from_pretrained(cls, name: str | Path) -> Self:
        """Return a trained optimizer of this class; :func:`~gnn_l2o.load_model` returns one of any class.

        Args:
            name: as :func:`~gnn_l2o.load_model` takes it. Nothing is downloaded.

        Raises:
            InputError: there is no such optimizer, or it is of another class.
        """
        from gnn_l2o.learned.model import load_model  # which needs all optimizers

        loaded = load_model(name)
        if not isinstance(loaded, cls):
            raise InputError(f"{name} is a {type(loaded).__name__}; expected a {cls.__name__}")
        return loaded

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the optimizer, in float32, into a folder, from which :func:`~gnn_l2o.load_model` loads it.

        Raises:
            InputError: see :func:`~gnn_l2o.learned.save_model`.
        """
        from gnn_l2o.learned.model import save_model

        save_model(self, folder)

    @abstractmethod
    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Self:
        """Return a copy on ``device``, with its weights in ``dtype``; the algorithm itself stays as it is."""


@dataclass(frozen=True)
class LearnedOptimizer(Movable[State], Generic[State, Weights]):
    """An algorithm with a module of weights.

    Attributes:
        weights: the module.
        name: what tables call it.
        architecture: what it is made of, if it was loaded; for :meth:`save_pretrained`.
    """

    weights: Weights
    name: str  # type: ignore[misc]  # a ClassVar elsewhere; here every trained model has its own
    architecture: Architecture[Any] | None = dataclasses.field(default=None, kw_only=True, repr=False, compare=False)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Self:
        return dataclasses.replace(self, weights=copy.deepcopy(self.weights).to(device=device, dtype=dtype))


def require_memory_for(architecture: Architecture[Any]) -> None:
    """Check that newly drawn weights fit into memory.

    Raises:
        InputError: they do not.
    """
    with torch.device("meta"):  # on which tensors have shapes, but no memory
        parameters = list(architecture.build().parameters())
    size = sum(parameter.numel() * parameter.element_size() for parameter in parameters)
    require_memory(f"the weights of this {architecture.name}", size)


def with_new_names(values: Mapping[str, Any], renamed: Mapping[str, str]) -> dict[str, Any]:
    """Return settings under their names of today.

    Args:
        values: settings, under these names or earlier ones.
        renamed: to every earlier name that of today.

    Raises:
        InputError: a setting is given under both names.
    """
    for name in values:
        if renamed.get(name) in values:
            raise InputError(f"{name} is the former name of {renamed[name]}, which is given too; leave one out")
    return {renamed.get(name, name): value for name, value in values.items()}


def require(algorithm: Algorithm[Any], problem: Problem, network: Network) -> None:
    """Check that an algorithm can run.

    Raises:
        InputError: it refuses this problem or network.
    """
    reason = algorithm.refusal(problem, network)
    if reason is not None:
        raise InputError(reason)


def _check_type(kind: str, name: str, value: Any, hint: Any) -> None:
    if isinstance(hint, types.UnionType):
        if value is None:
            return
        hint = next(t for t in get_args(hint) if t is not types.NoneType)
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise unknown(name, str(value), get_args(hint))
    elif type(value) is not hint:
        raise InputError(f"{name} of a {kind} is of type {hint.__name__}, got {value!r}")
