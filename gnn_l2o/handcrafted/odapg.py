"""Optimal decentralized accelerated proximal gradient descent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from gnn_l2o.algorithms.tunable import Choice, Range
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted.multi_consensus import MultiConsensus
from gnn_l2o.problems import Problem


@dataclass(frozen=True, eq=False)
class ODAPGState:
    """State of :class:`ODAPG`."""

    x: Tensor  # (N, d), the iterate, the paper's z
    y: Tensor  # (N, d), the running average of the iterates
    s: Tensor  # (N, d), the tracker of the mean gradient
    gradient: Tensor  # (N, d), grad f at the last point between x and y


@dataclass(frozen=True, eq=False)
class ODAPG(MultiConsensus[ODAPGState]):
    r"""ODAPG (Ye, Chang 2025, JMLR 26(280), Algorithm 2; a baseline of He et al. 2024), our x being the paper's z.

    .. math::
        v^{k+1} &= \tau x^k + (1 - \tau) y^k \\
        s^{k+1} &= \operatorname{FastMix}_K\bigl(s^k + \nabla f(v^{k+1}) - \nabla f(v^k)\bigr) \\
        x^{k+1} &= \operatorname{FastMix}_K\bigl(\operatorname{prox}_{\gamma r}(x^k - \gamma s^{k+1})\bigr) \\
        y^{k+1} &= \operatorname{FastMix}_K\bigl(\tau x^{k+1} + (1 - \tau) y^k\bigr),
                && v^0 = y^0 = x^0, \; s^0 = \nabla f(x^0)

    FastMix is :func:`.fast_mix`.

    The paper: r mu-strongly convex, :math:`\gamma = 1 / (20 \sqrt{L \mu})`, :math:`\tau = \mu\gamma`, a K large enough
    that the nodes nearly agree. So the step may be far above 1/L; :math:`\tau\gamma` is what L bounds. Costs one
    gradient, one prox and 3 K mixings an iteration, and one gradient at the start.

    Attributes:
        step_size: gamma.
        coupling: tau, the weight of the newest iterate in the average.
        mixings: K, a whole number.
    """

    name = "odapg"
    label = "ODAPG"
    grid: ClassVar[Mapping[str, Range | Choice]] = {
        "step_size": Range(5.0, 300.0, unit="1/L"),
        "coupling": Range(0.03, 0.4, below=1.0),
        "mixings": Choice((1.0,)),
    }
    uses = 3

    step_size: float | Tensor
    coupling: float | Tensor
    mixings: float

    def init(self, problem: Problem, network: Network, x0: Tensor) -> ODAPGState:
        gradient = problem.gradient(x0)
        return ODAPGState(x=x0, y=x0, s=gradient, gradient=gradient)

    def step(self, problem: Problem, network: Network, state: ODAPGState) -> ODAPGState:
        tau = self.coupling
        gradient = problem.gradient(tau * state.x + (1 - tau) * state.y)
        s = self.agree(network, state.s + gradient - state.gradient)
        x = self.agree(network, problem.prox(state.x - self.step_size * s, self.step_size))
        y = self.agree(network, tau * x + (1 - tau) * state.y)
        return ODAPGState(x=x, y=y, s=s, gradient=gradient)
