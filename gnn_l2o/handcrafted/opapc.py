"""The optimal proximal alternating predictor-corrector method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.algorithms.tunable import Choice, Range
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted.apapc import APAPC
from gnn_l2o.handcrafted.whole_number import check_whole


@dataclass(frozen=True, eq=False)
class OPAPC(APAPC):
    r"""OPAPC (Kovalev, Salim, Richtarik 2020, NeurIPS, arXiv:2006.11773): :class:`.APAPC` with Chebyshev gossip.

    In place of I - W there is a polynomial of it of degree K,

    .. math::
        P = \frac{1}{1 + 1 / a_K} \Bigl(I - \tfrac{1}{a_K} T_K\bigl(\tfrac{1}{\rho} (I - c (I - W))\bigr)\Bigr),
        \qquad a_K = T_K(1 / \rho),

    T_K being the polynomial of Chebyshev, :math:`c = 2 / (h + l)` and :math:`\rho = (h - l) / (h + l)`. All positive
    eigenvalues of I - W are between l and h, for which the nodes know the spectral gap and
    :math:`1 - \lambda_N`; those of P are between :math:`(1 - 1/a_K) / (1 + 1/a_K)` and 1.

    The paper: :math:`K = \lfloor \sqrt{h / l} \rfloor`, otherwise as :class:`.APAPC` with the :math:`\chi` of this P.
    Where I - W has few different eigenvalues, as on a star, the largest of P is smaller than 1 and sigma may be longer.
    Costs one gradient and K mixings an iteration.

    Attributes:
        step_size: :math:`\tau\eta`, the step of the average.
        coupling: tau, the weight of the newest iterate in v.
        dual_step: sigma.
        mixings: K, a whole number.
    """

    name = "opapc"
    label = "OPAPC"
    grid: ClassVar[Mapping[str, Range | Choice]] = {
        "step_size": Range(1.2, 3.0, unit="1/L", points=2),
        "coupling": Range(0.2, 0.5, points=2, below=1.0),
        "dual_step": Range(1.1, 3.0, points=2),
        "mixings": Choice((2.0, 4.0)),
    }
    setup_knowledge = frozenset({"spectral_gap", "min_eigenvalue"})

    mixings: float

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(self, "mixings", "mixings")

    @property
    def cost(self) -> Cost:
        return Cost(rounds=int(self.mixings), vectors=int(self.mixings), gradients=1)

    def _disagreement(self, network: Network, x: Tensor) -> Tensor:
        low, high = network.spectral_gap, 1 - network.min_eigenvalue
        c, rho = network.at_nodes(2 / (high + low)), network.at_nodes((high - low) / (high + low))
        # With z_k = T_k(..) x / a_k the three-term recursion of T_k becomes z_{k+1} = w (S z_k - z_{k-1}) + z_{k-1},
        # S = I - c (I - W) and w = 2 a_k / (rho a_{k+1}), which stays finite where rho is zero: on a complete graph.
        before, now = x, x - c * (x - network.mix(x))
        weight, inverse = torch.full_like(rho, 2.0), rho  # of a_1 = 1 / rho
        for _ in range(int(self.mixings) - 1):
            weight = 1 / (1 - rho**2 * weight / 4)
            inverse = rho * weight * inverse / 2
            before, now = now, weight * (now - c * (now - network.mix(now)) - before) + before
        return (x - now) / (1 + inverse)
