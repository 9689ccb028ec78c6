"""Mixed precision: a module that multiplies in bfloat16."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gnn_l2o._utils.errors import InputError


class MixedPrecision(nn.Module):
    """A module under :class:`torch.autocast`: parameters and outputs stay in float32.

    Args:
        module: the module itself.
        dtype: ``torch.bfloat16``.

    Raises:
        InputError: another ``dtype``.
    """

    def __init__(self, module: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        if dtype != torch.bfloat16:
            raise InputError(
                f"mixed precision is in torch.bfloat16, got {dtype}; the gradients of float16 would need to be rescaled"
            )
        self.module, self.dtype = module, dtype

    def forward(self, features: Tensor) -> Tensor:
        # A weight that was cast while torch.func transforms a loss cannot be used afterwards: nothing is cached.
        with torch.autocast(features.device.type, self.dtype, cache_enabled=False):
            return self.module(features).float()
