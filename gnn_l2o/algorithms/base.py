"""The one protocol of every optimizer, handcrafted or learned: two pure functions over a frozen state."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

from torch import Tensor

from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Problem


class HasIterate(Protocol):
    """What every state has: the iterates of the nodes."""

    @property
    def x(self) -> Tensor: ...  # (N, d)


State = TypeVar("State", bound=HasIterate)


@dataclass(frozen=True)
class Cost:
    """What some iterations cost every node.

    Attributes:
        rounds: communication rounds; in one round a node sends one vector of d numbers, or a number, to each neighbour.
        vectors: vectors sent along every edge in each direction.
        numbers: single numbers sent along every edge in each direction, with vectors or by themselves.
        minima: minima over the graph. What is declared leaves their rounds and numbers out, since these depend on the
            graph (:meth:`on`); what is counted has them among ``rounds`` and ``numbers``.
        gradients: evaluations of the node's gradient, those inside local solves apart.
        proxes: evaluations of the prox of the regularizer, those inside local solves apart.
        solves: local solves: proxes of f_i + r, or linear systems with the Hessian of f_i.
        solve_gradients: evaluations of the gradient, or products of the same cost, inside local solves. How many a
            solve takes depends on the data, so algorithms declare none; they are counted.
    """

    rounds: int = 0
    vectors: int = 0
    numbers: int = 0
    minima: int = 0
    gradients: int = 0
    proxes: int = 0
    solves: int = 0
    solve_gradients: int = 0

    # Written out: costs are added at every checkpoint, and dataclasses.astuple copies deeply.
    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.rounds + other.rounds,
            self.vectors + other.vectors,
            self.numbers + other.numbers,
            self.minima + other.minima,
            self.gradients + other.gradients,
            self.proxes + other.proxes,
            self.solves + other.solves,
            self.solve_gradients + other.solve_gradients,
        )

    def __sub__(self, other: Cost) -> Cost:
        return self + other * -1

    def __mul__(self, times: int) -> Cost:
        return Cost(
            times * self.rounds,
            times * self.vectors,
            times * self.numbers,
            times * self.minima,
            times * self.gradients,
            times * self.proxes,
            times * self.solves,
            times * self.solve_gradients,
        )

    @property
    def declarable(self) -> Cost:
        """Of a counted cost the part that algorithms declare: all but the gradients inside local solves."""
        return dataclasses.replace(self, solve_gradients=0)

    def on(self, diameter: int) -> Cost:
        """Return the declared cost on a graph: every minimum takes as many rounds, of a number each, as its diameter.

        Args:
            diameter: of the graph; the largest one where graphs stand side by side.
        """
        exchanges = self.minima * diameter
        return self + Cost(rounds=exchanges, numbers=exchanges)


class SetupCost(NamedTuple):
    """What nodes exchange before the first iteration, so that they have the facts that an algorithm uses.

    Attributes:
        rounds: communication rounds.
        numbers: single numbers sent along every edge in each direction.
    """

    rounds: int = 0
    numbers: int = 0


class Algorithm(ABC, Generic[State]):
    """A decentralized optimizer. Subclasses are frozen dataclasses whose attributes are hyperparameters.

    Attributes:
        name: what files and the command line call it.
        cost: what one :meth:`step` costs.
        setup_cost: what a run costs beyond that: the work of :meth:`init`, less what the first steps save.
        setup_knowledge: facts about the whole graph that the algorithm reads of a :class:`~gnn_l2o.Network`, by their
            names there: ``"spectral_gap"``, ``"min_eigenvalue"``, ``"graph_sizes"``, ``"diameter"``, ``"radius"``,
            ``"graph_max"`` for the largest of one number that every node has.
        dual: the tensor of its state, ``(N, d)``, whose rows sum to zero over the nodes of every graph, such as the
            dual variables; ``None`` if there is none.
        directed: whether it takes directed graphs.
        min_max: whether it takes problems that are maximized over some coordinates (:attr:`.Problem.maximized`).
    """

    name: ClassVar[str]
    setup_cost: ClassVar[Cost] = Cost()
    setup_knowledge: ClassVar[frozenset[str]] = frozenset()
    dual: ClassVar[str | None] = None
    directed: ClassVar[bool] = False
    min_max: ClassVar[bool] = False

    @property
    @abstractmethod
    def cost(self) -> Cost: ...

    @property
    def flooded(self) -> frozenset[str]:
        """The facts about the whole graph that nodes have before the first iteration.

        They are flooded together: in as many rounds as the diameter of the graph every node passes on what it has
        received, a number for each fact.
        """
        return self.setup_knowledge

    @property
    def has_local_work(self) -> bool:
        """Whether an iteration does more at a node than one gradient a round: local solves or several gradients."""
        return self.cost.solves > 0 or self.cost.gradients > self.cost.rounds

    @property
    def depth(self) -> int | None:
        """How many iterations it can run at most; ``None`` for any number."""
        return None

    def total_cost(self, iterations: int, shapes: tuple[tuple[int, ...], ...] = ((1,),)) -> Cost:
        """Return what a run of at least one iteration costs.

        Network and problem count the same (:func:`spent`, :attr:`Cost.declarable`), once what minima take on the
        graph is added (:meth:`Cost.on`).

        Args:
            iterations: how many.
            shapes: of the arrays that x is made of (:attr:`.Problem.shapes`), on which the numbers sent may depend.
        """
        return self.setup_cost + self.cost * iterations

    def refusal(self, problem: Problem, network: Network) -> str | None:
        """Return why it cannot run on this problem over this network; ``None`` if it can."""
        if network.directed and not self.directed:
            return "needs an undirected graph; this one is directed (push-sum methods take it)"
        if problem.maximized is not None and not self.min_max:
            return "minimizes; this is a min-max problem (extragradient takes it)"
        return None

    @abstractmethod
    def init(self, problem: Problem, network: Network, x0: Tensor) -> State:
        """Return the state before the first step; ``x0``: ``(N, d)``."""

    @abstractmethod
    def step(self, problem: Problem, network: Network, state: State) -> State:
        """Return the state after one iteration; mutates nothing."""


def spent(problem: Problem, network: Network) -> Cost:
    """Return what these two objects have counted since they were made."""
    sent, called = network.traffic, problem.calls
    return Cost(
        rounds=sent.rounds,
        vectors=sent.vectors,
        numbers=sent.numbers,
        minima=sent.minima,
        gradients=called.gradients,
        proxes=called.proxes,
        solves=called.solves,
        solve_gradients=called.solve_gradients,
    )


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


def select_copies(state: State, copies: int, selected: Tensor) -> State:
    """Return the state of some of the copies of a problem that run side by side.

    Args:
        state: its tensors have rows for nodes or for edges, those of one copy after those of the other.
        copies: how many there are.
        selected: ``(k,)``, the positions of the copies to keep.
    """

    def select(t: Tensor) -> Tensor:
        each = t.reshape(copies, t.size(0) // copies, *t.shape[1:])
        return each.index_select(0, selected).flatten(0, 1)

    return map_tensors(select, state)
