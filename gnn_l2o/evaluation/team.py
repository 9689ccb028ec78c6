"""Who does the work of an evaluation: one process alone, or several that hold the nodes together."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch

from gnn_l2o._utils.fingerprint import fingerprint
from gnn_l2o.distributed import DistributedNetwork, Division, Processes, partition
from gnn_l2o.evaluation.instances import Instance
from gnn_l2o.evaluation.runner import Trace
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Problem, Solution, solve


class Team:
    """One process alone.

    Attributes:
        writes: whether this process writes and shows the results.
    """

    writes = True

    def agree(self, settings: dict[str, Any]) -> None:
        """Check that all processes evaluate the same."""

    def from_first(self, make: Callable[[], Any]) -> Any:
        """Return what ``make`` returns at the process that writes: what JSON can hold."""
        return make()

    def solve(self, problem: Problem) -> Solution:
        """Return the certified solution of a problem."""
        return solve(problem)

    def held(self, network: Network) -> Network:
        """Return the part of a network that this process holds."""
        return network

    def part(self, instance: Instance) -> Instance:
        """Return the part of an instance that this process holds."""
        return instance

    def slowest(self, trace: Trace) -> Trace:
        """Return a trace with the local work of the process that had the most."""
        return trace


ALONE = Team()


class SeveralProcesses(Team):
    """Processes that make all runs together, each with its part of the nodes. The first one tunes, solves and writes.

    Every process samples the data of an instance, since all its nodes are drawn from one random stream, and then keeps
    what its nodes hold.

    Args:
        processes: these.
    """

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self.writes = processes.is_first  # type: ignore[misc]

    def agree(self, settings: dict[str, Any]) -> None:
        self._processes.agree(settings=fingerprint(settings))

    def from_first(self, make: Callable[[], Any]) -> Any:
        return self._processes.from_first(make)

    def solve(self, problem: Problem) -> Solution:
        def solution() -> dict[str, Any]:
            return {name: value.tolist() for name, value in vars(solve(problem)).items()}

        # As lists, floats keep all their digits.
        found = self._processes.from_first(solution)
        return Solution(**{name: torch.tensor(value, dtype=torch.float64) for name, value in found.items()})

    def held(self, network: Network) -> DistributedNetwork:
        division = Division(self._processes, partition(network, self._processes.count))
        return DistributedNetwork.part_of(network, division)

    def part(self, instance: Instance) -> Instance:
        network = self.held(instance.network)
        return dataclasses.replace(instance, problem=instance.problem.part(network.division), network=network)

    def slowest(self, trace: Trace) -> Trace:
        work = torch.tensor([cost.solve_gradients for cost in trace.spent])
        spent = [
            dataclasses.replace(cost, solve_gradients=largest)
            for cost, largest in zip(trace.spent, self._processes.max(work).tolist(), strict=True)
        ]
        return dataclasses.replace(trace, spent=spent)
