"""Lion."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gnn_l2o.local_updates.scaled import ScaledUpdate


@dataclass(frozen=True, eq=False)
class LionMemory:
    """Memory of :class:`Lion`."""

    m: Tensor  # (N, d), the average of the gradients


@dataclass(frozen=True, eq=False, kw_only=True)
class Lion(ScaledUpdate[LionMemory]):
    r"""Lion, sign descent along an interpolated momentum (Chen et al. 2023, NeurIPS, arXiv:2302.06675, Algorithm 2).

    .. math::
        \Delta  &= -\alpha\, \operatorname{sign}(\beta_1 m^k + (1 - \beta_1) g^k) - \kappa \alpha x \\
        m^{k+1} &= \beta_2 m^k + (1 - \beta_2) g^k, && m^0 = 0

    Every coordinate moves by alpha or, where the sign is 0, not at all: with a constant alpha iterates do not settle.

    Attributes:
        step_size: alpha, in units of x.
        beta1: the weight of the momentum in the direction, in [0, 1).
        beta2: the weight of the momentum in its average, in [0, 1).
        weight_decay: kappa.
    """

    beta1: float = 0.9
    beta2: float = 0.99

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_weights("beta1", "beta2")

    def init(self, x0: Tensor, shapes: tuple[tuple[int, ...], ...]) -> LionMemory:
        return LionMemory(m=torch.zeros_like(x0))

    def direction(self, gradient: Tensor, memory: LionMemory) -> tuple[Tensor, LionMemory]:
        direction = (self.beta1 * memory.m + (1 - self.beta1) * gradient).sign()
        return direction, LionMemory(m=self.beta2 * memory.m + (1 - self.beta2) * gradient)
