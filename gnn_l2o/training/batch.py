"""Problems side by side, with what a loss needs of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Problem


@dataclass(frozen=True)
class Batch:
    """Problems side by side, each on its own graph, with what a loss needs of them.

    Attributes:
        problem: B problems.
        network: their B graphs.
        optimum: F*, ``(B,)``.
        initial_objective: :math:`F(x^0)`, ``(B,)``.
    """

    problem: Problem
    network: Network
    optimum: Tensor
    initial_objective: Tensor

    @property
    def x0(self) -> Tensor:
        """The initial points: ``(N, d)``."""
        return self.problem.initial_point().to(self.initial_objective)

    def relative_optimality_gap(self, x: Tensor) -> Tensor:
        r"""Return :math:`(F(\bar x) - F^*) / (F(x^0) - F^*)` of every problem: ``(N, d)`` to ``(B,)``."""
        return self.relative(self.problem.objective(self.problem.average(x)))

    def relative(self, objective: Tensor) -> Tensor:
        r"""Return :math:`(F - F^*) / (F(x^0) - F^*)` of an objective of every problem: ``(B,)`` to ``(B,)``."""
        return (objective - self.optimum) / (self.initial_objective - self.optimum)

    @classmethod
    def join(cls, batches: Sequence[Batch]) -> Batch:
        """Return the batch of all problems of several batches."""
        return cls(
            problem=type(batches[0].problem).concatenate([b.problem for b in batches]),
            network=Network.concatenate([b.network for b in batches]),
            optimum=torch.cat([b.optimum for b in batches]),
            initial_objective=torch.cat([b.initial_objective for b in batches]),
        )

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Batch:
        """Return a copy on ``device``, with its real numbers in ``dtype``."""
        return Batch(
            self.problem.to(device, dtype),
            self.network.to(device, dtype),
            self.optimum.to(device, dtype),
            self.initial_objective.to(device, dtype),
        )
