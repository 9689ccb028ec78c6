"""Extragradient."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.algorithms.extrapolation import extrapolated_step
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted.min_max_method import MinMaxMethod
from gnn_l2o.problems import Problem


@dataclass(frozen=True, eq=False)
class ExtragradientState:
    """State of :class:`Extragradient`."""

    x: Tensor  # (N, d), the iterate, u and v


class Extragradient(MinMaxMethod[ExtragradientState]):
    r"""Extragradient (Korpelevich 1976, Matecon 12), adapt-then-combine.

    .. math::
        x^{k + 1/2} &= x^k - \eta G(x^k) \\
        x^{k+1}     &= W \bigl(x^k - \eta G(x^{k + 1/2})\bigr)

    The first step is a node's own, so that an iteration takes one round. For monotone fields it converges with
    :math:`\eta < 1/L`. On a bilinear payoff the norm of each pair of coordinates of singular value sigma shrinks by
    :math:`\sqrt{(1 - \eta^2 \sigma^2)^2 + \eta^2 \sigma^2}`, which is below 1 for :math:`\eta \sigma < 1`. Costs two
    gradients and one mixing an iteration.

    Attributes:
        step_size: eta.
    """

    name = "extragradient"
    label = "Extragradient"
    cost = Cost(rounds=1, vectors=1, gradients=2)

    def init(self, problem: Problem, network: Network, x0: Tensor) -> ExtragradientState:
        return ExtragradientState(x0)

    def step(self, problem: Problem, network: Network, state: ExtragradientState) -> ExtragradientState:
        x = extrapolated_step(problem, state.x, problem.gradient(state.x), self.step_size)
        return ExtragradientState(network.mix(x))
