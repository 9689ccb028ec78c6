"""The weights of unrolled networks, by their layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

Layer = TypeVar("Layer", bound=nn.Module)


class Layers(nn.Module, Generic[Layer]):
    """The weights of an unrolled network: one module a layer, and perhaps one that all layers share.

    Args:
        layers: in their order.
        shared: trained with all layers.
    """

    def __init__(self, layers: list[Layer], shared: nn.Module | None = None) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.shared: Any = shared if shared is not None else nn.Module()

    def __getitem__(self, layer: int) -> Layer:
        return self.layers[layer]  # type: ignore[return-value]  # ModuleList has lost their type

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)  # type: ignore[arg-type]  # as above

    @torch.no_grad()
    def copy_previous(self, layer: int) -> None:
        """Set the parameters of a layer to those of the layer before; what that one does not have stays as it is."""
        before = dict(self.layers[layer - 1].named_parameters())
        for name, parameter in self.layers[layer].named_parameters():
            if name in before:
                parameter.copy_(before[name])

    def new_parameters(self, layer: int) -> list[nn.Parameter]:
        """Return the parameters that come in with a layer; with the first one, the shared ones too."""
        return [*self.layers[layer].parameters(), *(self.shared.parameters() if layer == 0 else ())]

    def parameters_up_to(self, layer: int) -> list[nn.Parameter]:
        """Return the parameters of a layer and of all before it."""
        return [p for k in range(layer + 1) for p in self.new_parameters(k)]


def random_matrix(rows: int, columns: int) -> Tensor:
    """Draw a matrix with columns of norm about 1; training replaces it by the classical one."""
    return torch.randn(rows, columns) / rows**0.5
