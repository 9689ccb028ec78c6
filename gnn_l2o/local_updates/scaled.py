"""Local updates with a step size, and what they have in common."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.local_updates.base import LocalUpdate, Memory


@dataclass(frozen=True, eq=False, kw_only=True)
class ScaledUpdate(LocalUpdate[Memory]):
    r"""A local update that is a step size times a direction, with decoupled weight decay.

    .. math:: \Delta = -\alpha \odot u - \kappa\, \alpha \odot x

    The direction u depends on gradients alone. So :math:`\partial \Delta / \partial \log \alpha = \Delta` while the
    gradients count as constants, which is all that :class:`~gnn_l2o.step_sizes.MetaOptimize` needs to know of it.

    Attributes:
        step_size: alpha, a number, ``(N, 1)`` or ``(N, d)``.
        weight_decay: kappa, at least 0. A positive one pulls x towards 0, so that Delta is not 0 at a solution.
    """

    step_size: float | Tensor
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        alpha = torch.as_tensor(self.step_size)
        if not bool(((alpha > 0) & alpha.isfinite()).all()):
            raise InputError(f"{type(self).__name__} needs a finite step_size > 0, got {self.step_size}")
        if not 0 <= self.weight_decay < math.inf:
            raise InputError(f"{type(self).__name__} needs a finite weight_decay >= 0, got {self.weight_decay}")
        object.__setattr__(self, "preserves_zero", self.weight_decay == 0)

    @abstractmethod
    def direction(self, gradient: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """Return u, ``(N, d)``, and the memory after it."""

    def delta(self, gradient: Tensor, x: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        direction, memory = self.direction(gradient, memory)
        return self.along(direction, x, self.step_size), memory

    def along(self, direction: Tensor, x: Tensor, step_size: float | Tensor) -> Tensor:
        r"""Return :math:`\Delta` along a direction with a given step size, ``(N, d)``."""
        delta = -step_size * direction
        return delta - self.weight_decay * step_size * x if self.weight_decay else delta

    def _check_weights(self, *names: str) -> None:
        """Refuse weights of averages that are not in [0, 1)."""
        for name in names:
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise InputError(f"{type(self).__name__} needs 0 <= {name} < 1, got {value}")
