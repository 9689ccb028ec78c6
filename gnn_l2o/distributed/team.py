"""Several processes that evaluate together."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch

from gnn_l2o.distributed.network import DistributedNetwork
from gnn_l2o.distributed.partition import partition
from gnn_l2o.distributed.processes import TIMEOUT, Division, Processes, start
from gnn_l2o.evaluation.instances import Instance
from gnn_l2o.evaluation.runner import Trace
from gnn_l2o.evaluation.team import Team
from gnn_l2o.graph.faults import FaultyNetwork
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Problem, Solution, solve


def team(timeout: float = TIMEOUT) -> Team:
    """Return the processes that ``torchrun`` started as the team of an evaluation: ``evaluate(..., team=team())``.

    Args:
        timeout: seconds for which a process waits for a message of another.

    Raises:
        InputError: this process was not started by torchrun, or the others cannot be reached.
    """
    return SeveralProcesses(start(timeout))


class SeveralProcesses(Team):
    """Processes that make all runs together, each with its part of the nodes. The first one tunes, solves and writes.

    Every process samples the data of an instance, since all its nodes are drawn from one random stream, and then keeps
    what its nodes hold.

    Args:
        processes: these.
    """

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    @property
    def writes(self) -> bool:
        return self._processes.is_first

    def agree(self, settings: dict[str, Any]) -> None:
        self._processes.agree(settings=settings)

    def from_first(self, make: Callable[[], Any]) -> Any:
        return self._processes.from_first(make)

    def solve(self, problem: Problem) -> Solution:
        def solution() -> dict[str, Any]:
            return {name: value.tolist() for name, value in vars(solve(problem)).items()}

        # As lists, floats keep all their digits.
        found = self._processes.from_first(solution)
        return Solution(**{name: torch.tensor(value, dtype=torch.float64) for name, value in found.items()})

    def part_of_network(self, network: Network) -> DistributedNetwork:
        owner = partition(network, self._processes.count)
        self._processes.agree(division_of_the_nodes=owner)  # which differs where METIS is installed here and not there
        division = Division(self._processes, owner)
        part = DistributedNetwork.part_of(network, division)
        return part.with_faults(network.faults) if isinstance(network, FaultyNetwork) else part

    def part_of_instance(self, instance: Instance) -> Instance:
        network = self.part_of_network(instance.network)
        return dataclasses.replace(instance, problem=instance.problem.part(network.division), network=network)

    def slowest(self, trace: Trace) -> Trace:
        work = torch.tensor([cost.solve_gradients for cost in trace.spent])
        spent = [
            dataclasses.replace(cost, solve_gradients=largest)
            for cost, largest in zip(trace.spent, self._processes.max(work).tolist(), strict=True)
        ]
        return dataclasses.replace(trace, spent=spent)
