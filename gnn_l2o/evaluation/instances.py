"""Problems on networks together with their certified solutions: what methods are tuned and evaluated on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from gnn_l2o.evaluation.online_loss import OnlineLoss
from gnn_l2o.evaluation.reference import Reference
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Problem
from gnn_l2o.problems.permuted_labels import PermutedLabels


@dataclass(frozen=True, eq=False)
class Instance:
    """One or several problems side by side on their networks, and their solutions, in float64.

    Attributes:
        problem: the losses and r.
        network: the graphs.
        solution: ``(B, d)``, x*.
        value: ``(B,)``, F*. Where the minimum cannot be found, the value is a lower bound of F, and the solution is the
            initial point.
    """

    problem: Problem
    network: Network
    solution: Tensor
    value: Tensor

    @property
    def x0(self) -> Tensor:
        """Return the initial point of every run: ``(N, d)``."""
        return self.problem.initial_point().to(self.solution)

    @property
    def is_trivial(self) -> bool:
        """Whether the initial point of a problem is optimal already, up to the accuracy of F*."""
        return bool(self.reference(torch.float64).starts_optimal.any())

    def reference(self, dtype: torch.dtype) -> Reference:
        """Return what runs on this instance are measured against.

        Args:
            dtype: precision of the runs. The distance from a certified solution is measured in float64 whatever the
                precision of the run is; where F* is only a lower bound, the precision of the run is enough.
        """
        if self.problem.lower_bound() is None:
            dtype = torch.float64
        problem, _, x0 = self.cast(dtype)
        online = OnlineLoss(problem) if isinstance(problem, PermutedLabels) else None
        return Reference(problem, self.solution.to(dtype), self.value.to(dtype), x0, online)

    def cast(self, dtype: torch.dtype) -> tuple[Problem, Network, Tensor]:
        """Return what an algorithm runs on, in a precision of its own: problem, network and x0."""
        return self.problem.to(dtype=dtype), self.network.to(dtype=dtype), self.x0.to(dtype)

    @classmethod
    def concatenate(cls, instances: Sequence[Self]) -> Self:
        """Return several instances side by side as one."""
        return cls(
            type(instances[0].problem).concatenate([i.problem for i in instances]),
            type(instances[0].network).concatenate([i.network for i in instances]),
            torch.cat([i.solution for i in instances]),
            torch.cat([i.value for i in instances]),
        )

    def repeat(self, copies: int) -> Self:
        """Return copies of this instance side by side, copy after copy."""
        return type(self)(
            self.problem.repeat(copies),
            type(self.network).concatenate([self.network] * copies),
            self.solution.repeat(copies, 1),
            self.value.repeat(copies),
        )
