"""Limits at which all nodes have the minimizer at once, after a number of rounds that the graph decides."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace

from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.graph.network import Network
from gnn_l2o.limits.limit import Limit
from gnn_l2o.problems import Problem, solve


@dataclass(frozen=True, eq=False)
class ArrivalState:
    """State of an :class:`Arrival`."""

    x: Tensor  # (N, d), the initial point until the arrival, then the minimizer
    minimizer: Tensor  # (1, d)
    vectors: tuple[int, ...]  # that cross every edge in each direction, in every round up to the arrival
    rounds: int  # that have passed


class Arrival(Limit[ArrivalState]):
    """Keeps all nodes at the initial point until a round in which they have what the minimizer takes."""

    cost = Cost(rounds=1)

    @abstractmethod
    def vectors(self, problem: Problem, network: Network) -> tuple[int, ...]:
        """Return for every round up to the arrival how many vectors cross every edge in each direction."""

    def init(self, problem: Problem, network: Network, x0: Tensor) -> ArrivalState:
        return ArrivalState(x0, solve(problem).x.to(x0), self.vectors(problem, network), rounds=0)

    def step(self, problem: Problem, network: Network, state: ArrivalState) -> ArrivalState:
        passed = state.rounds + 1
        arrived = passed >= len(state.vectors)
        network.wait(vectors=state.vectors[state.rounds] if passed <= len(state.vectors) else 0)
        return replace(state, rounds=passed, x=state.minimizer.expand_as(state.x) if arrived else state.x)
