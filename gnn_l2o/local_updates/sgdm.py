"""Gradient descent with momentum."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gnn_l2o.local_updates.scaled import ScaledUpdate


@dataclass(frozen=True, eq=False)
class SGDmMemory:
    """Memory of :class:`SGDm`."""

    m: Tensor  # (N, d), the average of the gradients


@dataclass(frozen=True, eq=False, kw_only=True)
class SGDm(ScaledUpdate[SGDmMemory]):
    r"""Gradient descent with momentum, the average of the gradients being the direction (Polyak 1964).

    .. math::
        m^{k+1} = \rho\, m^k + (1 - \rho)\, g^k, \quad m^0 = 0, \qquad \Delta = -\alpha\, m^{k+1} - \kappa \alpha x

    Without the weight :math:`1 - \rho`, as in ``torch.optim.SGD``, alpha would be smaller by that factor. With
    :math:`\rho = 0` it is gradient descent.

    Attributes:
        step_size: alpha.
        momentum: rho, in [0, 1).
        weight_decay: kappa.
    """

    momentum: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_weights("momentum")

    def init(self, x0: Tensor, shapes: tuple[tuple[int, ...], ...]) -> SGDmMemory:
        return SGDmMemory(m=torch.zeros_like(x0))

    def direction(self, gradient: Tensor, memory: SGDmMemory) -> tuple[Tensor, SGDmMemory]:
        m = self.momentum * memory.m + (1 - self.momentum) * gradient
        return m, SGDmMemory(m=m)
