"""AMSGrad."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.local_updates.scaled import ScaledUpdate


@dataclass(frozen=True, eq=False)
class AMSGradMemory:
    """Memory of :class:`AMSGrad`."""

    m: Tensor  # (N, d), the average of the gradients
    v: Tensor  # (N, d), the average of their squares
    largest: Tensor  # (N, d), the largest v so far
    updates: int  # k


@dataclass(frozen=True, eq=False, kw_only=True)
class AMSGrad(ScaledUpdate[AMSGradMemory]):
    r"""AMSGrad (Reddi, Kale, Kumar 2018, ICLR, arXiv:1904.09237, Algorithm 2), corrected for its start as Adam is.

    .. math::
        m^{k+1} &= \beta_1 m^k + (1 - \beta_1) g^k, \qquad
        v^{k+1}  = \beta_2 v^k + (1 - \beta_2) (g^k)^2, \qquad
        \hat v^{k+1} = \max(\hat v^k, v^{k+1}) \\
        \Delta  &= -\alpha\, \frac{m^{k+1} / (1 - \beta_1^{k+1})}
                   {\sqrt{\hat v^{k+1} / (1 - \beta_2^{k+1})} + \varepsilon} - \kappa \alpha x

    It is the update of ``torch.optim.AdamW(amsgrad=True)``, up to rounding. Since the divisor does not fall, moves die
    out with the gradients, where those of Adam go on at the size of alpha.

    Attributes:
        step_size: alpha, roughly the largest move of a coordinate, in units of x.
        beta1: the weight of the average of the gradients, in [0, 1).
        beta2: the weight of the average of their squares, in [0, 1).
        epsilon: keeps the quotient finite, > 0.
        weight_decay: kappa.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_weights("beta1", "beta2")
        if not 0 < self.epsilon < math.inf:
            raise InputError(f"{type(self).__name__} needs a finite epsilon > 0, got {self.epsilon}")

    def init(self, x0: Tensor, shapes: tuple[tuple[int, ...], ...]) -> AMSGradMemory:
        zero = torch.zeros_like(x0)
        return AMSGradMemory(m=zero, v=zero, largest=zero, updates=0)

    def direction(self, gradient: Tensor, memory: AMSGradMemory) -> tuple[Tensor, AMSGradMemory]:
        updates = memory.updates + 1
        m = self.beta1 * memory.m + (1 - self.beta1) * gradient
        v = self.beta2 * memory.v + (1 - self.beta2) * gradient.square()
        largest = torch.maximum(memory.largest, v)
        size = largest.sqrt() / math.sqrt(1 - self.beta2**updates)
        return m / (1 - self.beta1**updates) / (size + self.epsilon), AMSGradMemory(m, v, largest, updates)
