"""Who does the work of an evaluation: one process alone, unless several hold the nodes together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gnn_l2o.evaluation.instances import Instance
from gnn_l2o.evaluation.runner import Trace
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Problem, Solution, solve


class Team:
    """One process alone; :func:`gnn_l2o.distributed.team` is several."""

    @property
    def writes(self) -> bool:
        """Whether this process writes and shows the results."""
        return True

    def agree(self, settings: dict[str, Any]) -> None:
        """Check that all processes evaluate the same."""

    def from_first(self, make: Callable[[], Any]) -> Any:
        """Return what ``make`` returns at the process that writes: what JSON can hold."""
        return make()

    def solve(self, problem: Problem) -> Solution:
        """Return the certified solution of a problem."""
        return solve(problem)

    def part_of_network(self, network: Network) -> Network:
        """Return the part of a network that this process holds."""
        return network

    def part_of_instance(self, instance: Instance) -> Instance:
        """Return the part of an instance that this process holds."""
        return instance

    def slowest(self, trace: Trace) -> Trace:
        """Return a trace with the local work of the process that had the most."""
        return trace


ALONE = Team()
