"""The exact second-order method."""

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
class ESOMState:
    """State of :class:`ESOM`."""

    x: Tensor  # (N, d), the iterate
    q: Tensor  # (N, d), the dual variables; sum to zero over the nodes
    flow: Tensor  # (N, d), alpha (I - W) x; zero before the first step


@dataclass(frozen=True, eq=False)
class ESOM(Tunable[ESOMState]):
    r"""ESOM-K (Mokhtari, Shi, Ling, Ribeiro 2016, IEEE TSIPN 2(4), arXiv:1602.00596), for smooth problems.

    The proximal method of multipliers for :math:`(I - W)^{1/2} x = 0`, whose subproblem is replaced by its second-order
    model and solved by the first terms of a Taylor series. The Hessian of the model is :math:`D - B` with

    .. math::
        D = \nabla^2 f(x^k) + \epsilon I + 2 \alpha (I - \operatorname{diag}(W)), \qquad
        B = \alpha (I - 2 \operatorname{diag}(W) + W)

    where D has a block for every node, and

    .. math::
        g       &= \nabla f(x^k) + q^k + \alpha (I - W) x^k \\
        e^0     &= -D^{-1} g, \qquad e^{t+1} = D^{-1} (B e^t - g) \\
        x^{k+1} &= x^k + e^{K} \\
        q^{k+1} &= q^k + \alpha (I - W) x^{k+1}, \qquad q^0 = 0

    By :math:`B e = 2 \alpha (I - \operatorname{diag}(W)) e - \alpha (I - W) e` a term after the first takes one
    exchange, and the new iterate another. Nodes that start at different points leave :math:`\alpha (I - W) x^0` out.

    The paper shows linear convergence for strongly convex f_i where :math:`\epsilon` is large enough. Costs one
    gradient, K + 1 Newton systems and K + 1 exchanges an iteration.

    Attributes:
        penalty: :math:`\alpha`.
        proximal_weight: :math:`\epsilon`.
        terms: K + 1, a whole number.
    """

    name = "esom"
    label = "ESOM"
    dual = "q"
    composite = False
    grid: ClassVar[Mapping[str, Range | Choice]] = {
        "penalty": Range(0.003, 1.0, unit="L"),
        "proximal_weight": Range(0.01, 0.3, points=3, unit="L"),
        "terms": Choice((1, 2)),
    }

    penalty: float | Tensor
    proximal_weight: float | Tensor
    terms: float

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(self, "terms", "terms")

    @property
    def cost(self) -> Cost:
        terms = int(self.terms)
        return Cost(rounds=terms, vectors=terms, gradients=1, solves=terms)

    def init(self, problem: Problem, network: Network, x0: Tensor) -> ESOMState:
        zero = torch.zeros_like(x0)
        return ESOMState(x=x0, q=zero, flow=zero)

    def step(self, problem: Problem, network: Network, state: ESOMState) -> ESOMState:
        x = state.x
        diagonal = 2 * self.penalty * (1 - network.self_weight.to(x))
        shift = self.proximal_weight + diagonal
        gradient = problem.gradient(x) + state.q + state.flow
        move = problem.newton_solve(x, -gradient, shift)
        for _ in range(int(self.terms) - 1):
            coupled = diagonal * move - self.penalty * (move - network.mix(move))
            move = problem.newton_solve(x, coupled - gradient, shift)
        x = x + move
        flow = self.penalty * (x - network.mix(x))
        return ESOMState(x=x, q=state.q + flow, flow=flow)
