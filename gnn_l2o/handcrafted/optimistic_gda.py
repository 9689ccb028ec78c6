"""Optimistic gradient descent-ascent."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted.min_max_method import MinMaxMethod
from gnn_l2o.problems import Problem


@dataclass(frozen=True, eq=False)
class OptimisticGDAState:
    """State of :class:`OptimisticGDA`."""

    x: Tensor  # (N, d), the iterate, u and v
    last: Tensor | None  # (N, d), the field at the iterate before; None before the first step


class OptimisticGDA(MinMaxMethod[OptimisticGDAState]):
    r"""Optimistic gradient descent-ascent (Popov 1980; Daskalakis et al. 2018, arXiv:1711.00141), adapt-then-combine.

    .. math::
        x^{k+1} = W \bigl(x^k - 2 \eta G(x^k) + \eta G(x^{k-1})\bigr), \qquad G(x^{-1}) = G(x^0)

    It replaces the second gradient of :class:`.Extragradient` by the one before. For monotone fields it converges with
    :math:`\eta \le 1 / (2 L)` (Mokhtari et al. 2020, arXiv:1901.08511, up to the constant). Costs one gradient and one
    mixing an iteration.

    Attributes:
        step_size: eta.
    """

    name = "optimistic_gda"
    label = "Optimistic GDA"
    cost = Cost(rounds=1, vectors=1, gradients=1)

    def init(self, problem: Problem, network: Network, x0: Tensor) -> OptimisticGDAState:
        return OptimisticGDAState(x0, None)

    def step(self, problem: Problem, network: Network, state: OptimisticGDAState) -> OptimisticGDAState:
        field = problem.gradient(state.x)
        last = field if state.last is None else state.last
        return OptimisticGDAState(network.mix(state.x - self.step_size * (2 * field - last)), field)
