"""Proximal multi-consensus decentralized accelerated gradient descent."""

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
class ProxMudagState:
    """State of :class:`ProxMudag`."""

    x: Tensor  # (N, d), the iterate, after the prox
    y: Tensor  # (N, d), the extrapolated point, where the gradient is taken
    s: Tensor  # (N, d), the tracker of the mean gradient
    gradient: Tensor  # (N, d), grad f(y)


@dataclass(frozen=True, eq=False)
class ProxMudag(MultiConsensus[ProxMudagState]):
    r"""ProxMudag (Ye, Luo, Zhou, Zhang 2023, JMLR 24(306), Algorithm 3, Eqs. (10)-(12)).

    .. math::
        x^{k+1} &= \operatorname{prox}_{\alpha r}(y^k - \alpha s^k) \\
        y^{k+1} &= \operatorname{FastMix}_K\bigl(x^{k+1} + b (x^{k+1} - x^k)\bigr) \\
        s^{k+1} &= \operatorname{FastMix}_K\bigl(s^k + \nabla f(y^{k+1}) - \nabla f(y^k)\bigr),
                && y^0 = x^0, \; s^0 = \nabla f(x^0)

    FastMix is :func:`.fast_mix`. It is :class:`.DAPG` without the mixing of x; with r = 0 it is Mudag.

    For small steps and r = 0, an eigenvalue p of FastMix gives the roots of :math:`t^2 - (1 + b) p t + b p`, which
    leave the unit disc where :math:`p < -1 / (1 + 2b)`; DAPG has :math:`p^2` there and is stable. So on sparse graphs
    a small K diverges whatever the step.

    The paper: :math:`\alpha = 1 / (2L)`, :math:`b = (1 - \sqrt{\mu\alpha}) / (1 + \sqrt{\mu\alpha})` where the mean of
    the f_i is mu-strongly convex, and a K large enough that the nodes nearly agree. Costs one gradient, one prox and
    2 K mixings an iteration, and one gradient at the start.

    Attributes:
        step_size: alpha.
        momentum: b.
        mixings: K, a whole number.
    """

    name = "prox_mudag"
    label = "ProxMudag"
    grid: ClassVar[Mapping[str, Range | Choice]] = {
        "step_size": Range(0.5, 8.0, unit="1/L"),
        "momentum": Range(0.85, 0.955, spacing="log_from_one", points=2, below=1.0),
        "mixings": Choice((1.0, 4.0)),
    }
    uses = 2

    step_size: float | Tensor
    momentum: float | Tensor
    mixings: float

    def init(self, problem: Problem, network: Network, x0: Tensor) -> ProxMudagState:
        gradient = problem.gradient(x0)
        return ProxMudagState(x=x0, y=x0, s=gradient, gradient=gradient)

    def step(self, problem: Problem, network: Network, state: ProxMudagState) -> ProxMudagState:
        x = problem.prox(state.y - self.step_size * state.s, self.step_size)
        y = self.agree(network, x + self.momentum * (x - state.x))
        gradient = problem.gradient(y)
        return ProxMudagState(x=x, y=y, s=self.agree(network, state.s + gradient - state.gradient), gradient=gradient)
