"""The one protocol of every optimizer, handcrafted or learned: two pure functions over a frozen state."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from torch import Tensor

from gnn_l2o.network import Network
from gnn_l2o.problems import Problem


class HasIterate(Protocol):
    """What every state has: the iterates of the nodes."""

    @property
    def x(self) -> Tensor: ...  # (N, d)


State = TypeVar("State", bound=HasIterate)


@dataclass(frozen=True)
class Cost:
    """What one iteration costs every node.

    Attributes:
        rounds: communication rounds; in one round a node sends one vector of d numbers to each of its neighbours.
        vectors: vectors sent along every edge in each direction.
        gradients: evaluations of the node's gradient.
        proxes: evaluations of the prox of the regularizer.
    """

    rounds: int
    vectors: int
    gradients: int = 1
    proxes: int = 1


class Algorithm(ABC, Generic[State]):
    """A decentralized optimizer. Subclasses are frozen dataclasses whose attributes are hyperparameters.

    Attributes:
        name: what tables, files and the command line call it.
        cost: what one :meth:`step` costs.
    """

    name: ClassVar[str]

    @property
    @abstractmethod
    def cost(self) -> Cost: ...

    @abstractmethod
    def init(self, problem: Problem, network: Network, x0: Tensor) -> State:
        """Return the state before the first step; ``x0``: ``(N, d)``."""

    @abstractmethod
    def step(self, problem: Problem, network: Network, state: State) -> State:
        """Return the state after one iteration; mutates nothing."""


def run(algorithm: Algorithm[State], problem: Problem, network: Network, x0: Tensor) -> Iterator[State]:
    """Yield the states after 0, 1, 2, ... steps, for ever; the caller measures, logs and stops."""
    state = algorithm.init(problem, network, x0)
    while True:
        yield state
        state = algorithm.step(problem, network, state)


def map_tensors(function: Callable[[Tensor], Tensor], state: Any) -> Any:
    """Apply ``function`` to every tensor of a state (nested dataclasses, tuples, ``None``) and return the new state."""
    if isinstance(state, Tensor):
        return function(state)
    if isinstance(state, tuple):
        return tuple(map_tensors(function, part) for part in state)
    if dataclasses.is_dataclass(state) and not isinstance(state, type):
        parts = {f.name: map_tensors(function, getattr(state, f.name)) for f in dataclasses.fields(state)}
        return dataclasses.replace(state, **parts)
    return state


def detach(state: State) -> State:
    """Cut a state off its history, so that back-propagation stops there."""
    return map_tensors(Tensor.detach, state)
