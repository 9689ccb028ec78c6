"""FISTA, for sparse recovery."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from gnn_l2o.graph.network import Network
from gnn_l2o.limits.recovery import RecoveryState
from gnn_l2o.limits.recovery_ista import RecoveryIsta
from gnn_l2o.problems import Problem


@dataclass(frozen=True, eq=False)
class RecoveryFista(RecoveryIsta):
    r"""FISTA (Beck, Teboulle 2009, SIAM J. Imaging Sci. 2(1)) for a LASSO of its own weight, lambda = 0.1.

    .. math::
        y^k     &= x^k + m_k (x^k - x^{k-1}), \qquad m_0 = 0, \; m_{k+1} = \frac{t_k - 1}{t_{k+1}}, \;
            t_{k+1} = \tfrac12 + \sqrt{\tfrac14 + t_k^2}, \; t_0 = 1 \\
        x^{k+1} &= \eta_{\lambda/L}\bigl(y^k + \tfrac1L A^\top (b - A y^k)\bigr)
    """

    name = "recovery_fista"
    label = "FISTA"
    weight: ClassVar[float] = 0.1

    def step(self, problem: Problem, network: Network, state: RecoveryState) -> RecoveryState:
        following = 0.5 + (0.25 + state.momentum**2) ** 0.5
        point = state.x + state.extrapolation * (state.x - state.before)
        x = self.moved(problem, network, state, point)
        return replace(state, x=x, before=state.x, momentum=following, extrapolation=(state.momentum - 1) / following)
