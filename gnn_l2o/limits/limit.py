"""The base class of limits: algorithms that show what others can at best reach."""

from __future__ import annotations

from typing import ClassVar

from gnn_l2o.algorithms.base import Algorithm, State
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Problem, Stochastic


class Limit(Algorithm[State]):
    """An algorithm without parameters that others are compared with, but that does not compete with them.

    Limits run, are counted and are measured like all algorithms. Their rounds depend on graph and problem, so ``cost``
    declares only what does not; network and problem count the rest. They take one problem at a time, with exact
    gradients and a certified minimizer, and all nodes start from the same point.

    Attributes:
        label: what tables and figures call the limit.
    """

    label: ClassVar[str]

    def refusal(self, problem: Problem, network: Network) -> str | None:
        if isinstance(problem, Stochastic):
            return f"{self.label}: a limit for exact gradients; here they are stochastic"
        if problem.lower_bound() is not None:
            return f"{self.label}: a limit for convex problems; the minimum of this one is not known"
        if problem.num_problems > 1:
            return f"{self.label}: takes one problem, got {problem.num_problems} side by side"
        return super().refusal(problem, network)
