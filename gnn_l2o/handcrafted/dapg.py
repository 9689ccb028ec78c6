"""Decentralized accelerated proximal gradient descent."""

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
class DAPGState:
    """State of :class:`DAPG`."""

    x: Tensor  # (N, d), the iterate
    y: Tensor  # (N, d), the extrapolated point, where the gradient is taken
    s: Tensor  # (N, d), the tracker of the mean gradient
    gradient: Tensor  # (N, d), grad f(y)


@dataclass(frozen=True, eq=False)
class DAPG(MultiConsensus[DAPGState]):
    r"""DAPG (Ye, Zhou, Luo, Zhang 2020, NeurIPS, Algorithm 1; a baseline of He et al. 2024).

    .. math::
        x^{k+1} &= \operatorname{FastMix}_K\bigl(\operatorname{prox}_{\alpha r}(y^k - \alpha s^k)\bigr) \\
        y^{k+1} &= \operatorname{FastMix}_K\bigl(x^{k+1} + b (x^{k+1} - x^k)\bigr) \\
        s^{k+1} &= \operatorname{FastMix}_K\bigl(s^k + \nabla f(y^{k+1}) - \nabla f(y^k)\bigr),
                && y^0 = x^0, \; s^0 = \nabla f(x^0)

    FastMix is :func:`.fast_mix`.

    The paper: :math:`\alpha = 1/L`, :math:`b = (1 - \sqrt{\mu\alpha}) / (1 + \sqrt{\mu\alpha})` where the mean of the
    f_i is mu-strongly convex, and a K large enough that the nodes nearly agree. Costs one gradient, one prox and 3 K
    mixings an iteration, and one gradient at the start.

    Attributes:
        step_size: alpha.
        momentum: b.
        mixings: K, a whole number.
    """

    name = "dapg"
    label = "DAPG"
    grid: ClassVar[Mapping[str, Range | Choice]] = {
        "step_size": Range(0.5, 8.0, unit="1/L"),
        "momentum": Range(0.75, 0.96, spacing="log_from_one", below=1.0),
        "mixings": Choice((1.0,)),
    }
    uses = 3

    step_size: float | Tensor
    momentum: float | Tensor
    mixings: float

    def init(self, problem: Problem, network: Network, x0: Tensor) -> DAPGState:
        gradient = problem.gradient(x0)
        return DAPGState(x=x0, y=x0, s=gradient, gradient=gradient)

    def step(self, problem: Problem, network: Network, state: DAPGState) -> DAPGState:
        x = self.agree(network, problem.prox(state.y - self.step_size * state.s, self.step_size))
        y = self.agree(network, x + self.momentum * (x - state.x))
        gradient = problem.gradient(y)
        return DAPGState(x=x, y=y, s=self.agree(network, state.s + gradient - state.gradient), gradient=gradient)
