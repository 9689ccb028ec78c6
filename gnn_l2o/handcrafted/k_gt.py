"""Gradient tracking with local steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gnn_l2o.algorithms.tunable import Choice, Range
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted.local_steps import LocalSteps
from gnn_l2o.problems import Problem


@dataclass(frozen=True, eq=False)
class KGTState:
    """State of :class:`KGT`."""

    x: Tensor  # (N, d), the iterate
    c: Tensor  # (N, d), the correction of the local steps; sums to zero over the nodes


@dataclass(frozen=True, eq=False)
class KGT(LocalSteps[KGTState]):
    r"""K-GT (Liu, Lin, Koloskova, Stich 2024, Optim. Methods Softw., arXiv:2301.01313), for smooth problems.

    .. math::
        \psi^0  &= x^k, \qquad \psi^{t+1} = \psi^t - \alpha (\nabla f(\psi^t) + c^k) \\
        z^k     &= \tfrac{1}{K \alpha} (x^k - \psi^K) \\
        c^{k+1} &= c^k - z^k + W z^k, \qquad c^0 = 0 \\
        x^{k+1} &= W (x^k - \eta K \alpha z^k)

    with every local step on a mini-batch of its own; alpha and eta are the paper's :math:`\eta_c` and :math:`\eta_s`.
    The recursion was written down from memory of the paper's algorithm, not from its text or any code. The paper's
    :math:`c_i^0` is the average of all first gradients minus that of the node, which nodes cannot compute; zero keeps
    :math:`\sum_i c_i = 0` as well, which is what convergence needs.

    With K = 1 and eta = 1 it is gradient tracking, :math:`\nabla f(x) + c` being the tracker: the recursion of
    :class:`.DSGT` without momentum and decay, from a tracker that begins with the own gradient. Costs K gradients and
    two mixings an iteration.

    Attributes:
        step_size: alpha.
        relaxation: eta.
        local_steps: K, a whole number.
    """

    name = "k_gt"
    label = "K-GT"
    dual = "c"
    composite = False
    exchanges = 2
    grid: ClassVar[Mapping[str, Range | Choice]] = {
        "step_size": Range(0.05, 5.0, unit="1/L"),
        "relaxation": Choice((0.5, 1.0)),
        "local_steps": Choice((2, 8)),
    }

    step_size: float | Tensor
    relaxation: float | Tensor
    local_steps: float

    def init(self, problem: Problem, network: Network, x0: Tensor) -> KGTState:
        return KGTState(x=x0, c=torch.zeros_like(x0))

    def step(self, problem: Problem, network: Network, state: KGTState) -> KGTState:
        local = state.x
        for t in range(int(self.local_steps)):
            local = local - self.step_size * (problem.local_draw(t).gradient(local) + state.c)
        move = state.x - local
        z = move / (self.local_steps * self.step_size)
        return KGTState(x=network.mix(state.x - self.relaxation * move), c=state.c - z + network.mix(z))
