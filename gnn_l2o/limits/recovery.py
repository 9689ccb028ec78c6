"""What the classical algorithms of sparse recovery share, beside which unrolled networks are shown."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.graph.network import Network
from gnn_l2o.limits.limit import Limit
from gnn_l2o.problems import Problem, SparseRecovery


@dataclass(frozen=True, eq=False)
class RecoveryState:
    """State of a :class:`RecoveryReference`; all rows of x are equal."""

    x: Tensor  # (N, n)
    before: Tensor  # (N, n), x one iteration earlier
    residual: Tensor  # (N, k), that of every node's rows
    step_size: float  # 1 / ||A||^2
    momentum: float = 1.0  # t of FISTA
    extrapolation: float = 0.0  # m of FISTA


class RecoveryReference(Limit[RecoveryState]):
    """An algorithm that estimates a sparse signal, where one round averages a vector over all nodes, as on one machine.

    Its hyperparameters are those that the papers on unrolled networks compare with, whatever the regularizer is.
    """

    directed = True
    cost = Cost(rounds=1, vectors=1, gradients=1)

    def refusal(self, problem: Problem, network: Network) -> str | None:
        if not isinstance(problem, SparseRecovery):
            return f"{self.label}: recovers sparse signals (dataset sparse_recovery), not a {type(problem).__name__}"
        return super().refusal(problem, network)

    def init(self, problem: Problem, network: Network, x0: Tensor) -> RecoveryState:
        assert isinstance(problem, SparseRecovery)
        largest = float(torch.linalg.matrix_norm(problem.dictionary.whole().double(), ord=2))
        return RecoveryState(x0, x0, torch.zeros_like(problem.measurements.b), 1 / largest**2)

    @staticmethod
    def correlated(problem: Problem, network: Network, residual: Tensor) -> Tensor:
        r"""Return :math:`A^\top r` at every node, ``(N, k)`` to ``(N, n)``, which takes a round."""
        assert isinstance(problem, SparseRecovery)
        problem.calls.gradients += 1
        network.wait(vectors=1)
        product = problem.dictionary.correlate(residual, problem.dictionary.rows)
        return product.mean(dim=0, keepdim=True).expand_as(product)

    @staticmethod
    def soft(v: Tensor, threshold: Tensor | float) -> Tensor:
        r"""Return :math:`\operatorname{sign}(v) \max(|v| - t, 0)`."""
        return v.sign() * (v.abs() - threshold).clamp(min=0)
