"""ProxSkip in its decentralized form, with local steps at fixed times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.algorithms.tunable import Choice, Range, Tunable
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted.whole_number import check_whole
from gnn_l2o.problems import Problem


@dataclass(frozen=True, eq=False)
class ProxSkipState:
    """State of :class:`ProxSkip`."""

    x: Tensor  # (N, d), the iterate, after the prox
    y: Tensor  # (N, d), the correction of the local steps; sums to zero over the nodes


@dataclass(frozen=True, eq=False)
class ProxSkip(Tunable[ProxSkipState]):
    r"""ProxSkip (Mishchenko, Malinovsky, Stich, Richtarik 2022, ICML, arXiv:2202.09357) over a network.

    The decentralized form with network-independent steps is that of Guo, Alghunaim, Yuan, Condat, Cao
    (arXiv:2310.07983), and with a regularizer that all nodes share that of Guo, Wang, Shi, Cao (MG-Skip, 2025, IEEE
    TSIPN, arXiv:2312.11861) with one mixing. With :math:`\tilde W = (I + W) / 2`, all nodes take local steps

    .. math::
        z = x - \alpha \nabla f(x) - y, \qquad x \leftarrow \operatorname{prox}_{\alpha r}(z), \qquad y^0 = 0

    and after some of them they communicate,

    .. math::
        \bar z = \tilde W z, \qquad x \leftarrow \operatorname{prox}_{\alpha r}(\bar z), \qquad
        y \leftarrow y + p (z - \bar z)

    In the papers they do so with probability p, by a coin that all nodes share. Here they do so after every K-th step,
    and p = 1 / K: an iteration is K steps, of which the last communicates. The fixed points are the same. With r = 0
    this schedule is local exact diffusion (LED, Alghunaim 2023, arXiv:2302.00620) with the matrix :math:`\tilde W` and
    the dual step size 1 / K. K = 1 would be :class:`.ProxED` from another start.

    A step of :math:`\alpha \le 1 / L` suffices where the coin is random and the f_i are strongly convex, whatever p and
    the network; fixed times are not covered. Costs K gradients, K proxes and one mixing an iteration.

    Attributes:
        step_size: alpha.
        local_steps: K, a whole number.
    """

    name = "prox_skip"
    label = "ProxSkip"
    dual = "y"
    grid: ClassVar[Mapping[str, Range | Choice]] = {
        "step_size": Range(0.05, 5.0, unit="1/L"),
        "local_steps": Choice((2, 4, 8, 16)),
    }

    step_size: float | Tensor
    local_steps: float

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(self, "local_steps", "local steps")

    @property
    def cost(self) -> Cost:
        steps = int(self.local_steps)
        return Cost(rounds=1, vectors=1, gradients=steps, proxes=steps)

    def init(self, problem: Problem, network: Network, x0: Tensor) -> ProxSkipState:
        return ProxSkipState(x=x0, y=torch.zeros_like(x0))

    def step(self, problem: Problem, network: Network, state: ProxSkipState) -> ProxSkipState:
        x, y = state.x, state.y
        last = int(self.local_steps) - 1
        for t in range(last):
            x = problem.prox(x - self.step_size * problem.local_draw(t).gradient(x) - y, self.step_size)
        z = x - self.step_size * problem.local_draw(last).gradient(x) - y
        mixed = 0.5 * (z + network.mix(z))
        return ProxSkipState(x=problem.prox(mixed, self.step_size), y=y + (z - mixed) / self.local_steps)
