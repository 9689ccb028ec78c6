"""Approximate message passing, for sparse recovery."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from gnn_l2o.graph.network import Network
from gnn_l2o.limits.recovery import RecoveryReference, RecoveryState
from gnn_l2o.problems import Problem, SparseRecovery


@dataclass(frozen=True, eq=False)
class AMP(RecoveryReference):
    r"""Approximate message passing with soft thresholding (Donoho, Maleki, Montanari 2009, PNAS 106(45)).

    .. math::
        v^k     &= b - A x^k + \tfrac1m \|x^k\|_0 v^{k-1}, \qquad v^{-1} = 0 \\
        x^{k+1} &= \eta_\theta(x^k + A^\top v^k), \qquad \theta = \alpha \|v^k\| / \sqrt m

    with :math:`\alpha = 1.1402` (Borgerding, Schniter, Rangan 2017, arXiv:1612.01183). It is made for
    dictionaries with independent entries and columns of norm near 1; for others, and for a few signals in a thousand,
    it diverges.
    """

    name = "amp"
    label = "AMP"
    factor: ClassVar[float] = 1.1402

    def step(self, problem: Problem, network: Network, state: RecoveryState) -> RecoveryState:
        assert isinstance(problem, SparseRecovery)
        dictionary, b = problem.measurements
        x, total = state.x, dictionary.total
        support = (x != 0).to(b).sum(dim=1, keepdim=True)
        residual = b - dictionary.apply(x) + support / total * state.residual
        moved = x + self.correlated(problem, network, residual)
        deviation = (residual.square().sum() / total).sqrt()  # the sum over the nodes, a number, in the same round
        return replace(state, x=self.soft(moved, self.factor * deviation), before=x, residual=residual)
