"""ISTA, for sparse recovery."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor

from gnn_l2o.graph.network import Network
from gnn_l2o.limits.recovery import RecoveryReference, RecoveryState
from gnn_l2o.problems import Problem, SparseRecovery


@dataclass(frozen=True, eq=False)
class RecoveryIsta(RecoveryReference):
    r"""ISTA (Daubechies, Defrise, De Mol 2004, Comm. Pure Appl. Math. 57(11)) for a LASSO of its own weight.

    .. math:: x^+ = \eta_{\lambda/L}\bigl(x + \tfrac1L A^\top (b - A x)\bigr), \qquad L = \|A\|_2^2, \; \lambda = 0.4
    """

    name = "recovery_ista"
    label = "ISTA"
    weight: ClassVar[float] = 0.4

    def step(self, problem: Problem, network: Network, state: RecoveryState) -> RecoveryState:
        return replace(state, x=self.moved(problem, network, state, state.x), before=state.x)

    def moved(self, problem: Problem, network: Network, state: RecoveryState, point: Tensor) -> Tensor:
        """Return a proximal gradient step from a point."""
        assert isinstance(problem, SparseRecovery)
        dictionary, b = problem.measurements
        move = state.step_size * self.correlated(problem, network, b - dictionary.apply(point))
        return self.soft(point + move, self.weight * state.step_size)
