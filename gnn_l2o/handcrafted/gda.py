"""Gradient descent-ascent."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted.min_max_method import MinMaxMethod
from gnn_l2o.problems import Problem


@dataclass(frozen=True, eq=False)
class GDAState:
    """State of :class:`GDA`."""

    x: Tensor  # (N, d), the iterate, u and v


class GDA(MinMaxMethod[GDAState]):
    r"""Simultaneous gradient descent-ascent (Arrow, Hurwicz, Uzawa 1958), adapt-then-combine.

    .. math:: x^{k+1} = W \bigl(x^k - \eta G(x^k)\bigr)

    Where the payoffs are strongly convex in u and strongly concave in v it converges linearly for small eta. On a
    bilinear payoff it diverges with every eta: each pair of coordinates of singular value sigma turns around the saddle
    point, and its squared norm grows by the factor :math:`1 + \eta^2 \sigma^2` an iteration. Costs one gradient and
    one mixing an iteration.

    Attributes:
        step_size: eta.
    """

    name = "gda"
    label = "GDA"
    cost = Cost(rounds=1, vectors=1, gradients=1)

    def init(self, problem: Problem, network: Network, x0: Tensor) -> GDAState:
        return GDAState(x0)

    def step(self, problem: Problem, network: Network, state: GDAState) -> GDAState:
        return GDAState(network.mix(state.x - self.step_size * problem.gradient(state.x)))
