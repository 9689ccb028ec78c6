"""Methods with parameters that let another algorithm run."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gnn_l2o.algorithms.base import Algorithm, Cost
from gnn_l2o.algorithms.tunable import Tunable
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Problem


@dataclass(frozen=True, eq=False)
class Delegated(Tunable[Any]):
    """A method that makes an algorithm of its parameters, and is that algorithm.

    Attributes:
        step_size: as the algorithm takes it.
    """

    step_size: float | Tensor

    @property
    @abstractmethod
    def algorithm(self) -> Algorithm[Any]:
        """What runs, with these parameters."""

    @property
    def cost(self) -> Cost:
        return self.algorithm.cost

    def init(self, problem: Problem, network: Network, x0: Tensor) -> Any:
        return self.algorithm.init(problem, network, x0)

    def step(self, problem: Problem, network: Network, state: Any) -> Any:
        return self.algorithm.step(problem, network, state)
