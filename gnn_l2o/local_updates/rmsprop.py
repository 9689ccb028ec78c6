"""RMSProp."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.local_updates.scaled import ScaledUpdate


@dataclass(frozen=True, eq=False)
class RMSPropMemory:
    """Memory of :class:`RMSProp`."""

    v: Tensor  # (N, d), the average of the squares of the gradients
    updates: int  # k


@dataclass(frozen=True, eq=False, kw_only=True)
class RMSProp(ScaledUpdate[RMSPropMemory]):
    r"""RMSProp (Tieleman, Hinton 2012), corrected for its start as Adam is.

    .. math::
        v^{k+1} = \beta v^k + (1 - \beta) (g^k)^2, \quad v^0 = 0, \qquad
        \Delta = -\alpha\, \frac{g^k}{\sqrt{v^{k+1} / (1 - \beta^{k+1})} + \varepsilon} - \kappa \alpha x

    It is :class:`.AdamW` without the average of the gradients, the form of Sharifnassab et al. 2025 (ICML,
    arXiv:2402.02342, Algorithm 3). ``torch.optim.RMSprop`` has no correction and another default of beta.

    Attributes:
        step_size: alpha, in units of x.
        beta: the weight of the average of the squares, in [0, 1).
        epsilon: keeps the quotient finite, > 0.
        weight_decay: kappa.
    """

    beta: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_weights("beta")
        if not 0 < self.epsilon < math.inf:
            raise InputError(f"{type(self).__name__} needs a finite epsilon > 0, got {self.epsilon}")

    def init(self, x0: Tensor, shapes: tuple[tuple[int, ...], ...]) -> RMSPropMemory:
        return RMSPropMemory(v=torch.zeros_like(x0), updates=0)

    def direction(self, gradient: Tensor, memory: RMSPropMemory) -> tuple[Tensor, RMSPropMemory]:
        updates = memory.updates + 1
        v = self.beta * memory.v + (1 - self.beta) * gradient.square()
        size = v.sqrt() / math.sqrt(1 - self.beta**updates)
        return gradient / (size + self.epsilon), RMSPropMemory(v=v, updates=updates)
