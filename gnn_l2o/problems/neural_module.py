"""A ``torch.nn.Module`` as a function of one vector of parameters, without state."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils import parameters_to_vector, vector_to_parameters
from torch.optim.swa_utils import update_bn

from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.structure import difference

TEST_CHUNK = 1000
"""Samples that a module in evaluation mode is given at a time."""

_DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@dataclass(frozen=True, eq=False)
class FlatModule:
    """A module as a function of the vector of its trainable parameters, in the order of ``named_parameters``.

    It is run in training mode, but keeps no state: batch normalization uses the statistics of the samples at hand
    and tracks none; frozen parameters and buffers are constants, and what the module writes to a buffer is dropped.
    Only the result of :meth:`filled` has running statistics.

    Attributes:
        module: the module itself, which is not changed.

    Raises:
        InputError: the module has no trainable parameters, or it has dropout and is no function of its parameters.
    """

    module: nn.Module
    _stateless: nn.Module = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self._trainable(self.module):
            raise InputError(
                f"{type(self.module).__name__} has no parameters to train; expected one with requires_grad=True"
            )
        for name, part in self.module.named_modules():
            if setting := _dropout_setting(part):
                raise InputError(
                    f"{name or 'the module'} has dropout, with which losses are not functions of the parameters; "
                    f"expected a module without it, or with {setting}=0"
                )
        # Copied here: what is copied while torch.func transforms a loss cannot be used afterwards.
        object.__setattr__(self, "_stateless", self._without_state())

    @staticmethod
    def _trainable(module: nn.Module) -> list[tuple[str, nn.Parameter]]:
        return [(name, p) for name, p in module.named_parameters() if p.requires_grad]

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of the parameters."""
        return tuple(map(tuple, self._shapes.values()))

    @cached_property
    def _shapes(self) -> dict[str, torch.Size]:
        return {name: p.shape for name, p in self._trainable(self.module)}

    @cached_property
    def _sizes(self) -> list[int]:
        return [shape.numel() for shape in self._shapes.values()]

    def _without_state(self) -> nn.Module:
        module = copy.deepcopy(self.module).train()
        for part in module.modules():
            if getattr(part, "track_running_stats", False):  # batch and instance normalization
                for name in ("running_mean", "running_var", "num_batches_tracked"):
                    setattr(part, name, None)
                part.track_running_stats = False  # type: ignore[assignment]  # to mypy a module or a tensor
        return module

    @cached_property
    def convolves(self) -> bool:
        """Whether it has convolutions."""
        return any(isinstance(part, _CONVOLUTIONS) for part in self.module.modules())

    @property
    def vector(self) -> Tensor:
        """The parameters of the module, ``(d,)``."""
        return parameters_to_vector([p for _, p in self._trainable(self.module)]).detach()

    def __call__(self, vector: Tensor, features: Tensor) -> Tensor:
        """Return the outputs for some samples: ``(d,)`` and ``(k, ...)`` to ``(k, ...)``."""
        parts = torch.split(vector, self._sizes)
        values = {name: part.view(shape) for part, (name, shape) in zip(parts, self._shapes.items(), strict=True)}
        values.update((name, buffer.clone()) for name, buffer in self._stateless.named_buffers())
        # The fused kernels of attention have no second derivatives, nor batching rules for the first.
        with sdpa_kernel(SDPBackend.MATH):
            return torch.func.functional_call(self._stateless, values, (features,))

    def filled(self, vector: Tensor, calibration: Iterable[Tensor]) -> nn.Module:
        """Return the module with other parameters, in evaluation mode.

        Running statistics of batch normalization are measured for these parameters, as an average of models requires
        (Izmailov et al. 2018, 3.2).

        Args:
            vector: ``(d,)``.
            calibration: batches of samples, ``(k, ...)`` each, to measure them on.
        """
        module = copy.deepcopy(self.module).to(device=vector.device, dtype=vector.dtype)
        vector_to_parameters(vector.detach().clone(), [p for _, p in self._trainable(module)])
        update_bn(calibration, module)
        return module.eval()

    def difference(self, other: FlatModule) -> str | None:
        """Return in what another module differs as a function of vector and samples, or ``None`` if in nothing."""
        return difference(self._stateless, other._stateless, "the module")

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Self:
        """Return a copy on ``device``, with its real numbers in ``dtype``."""
        return type(self)(copy.deepcopy(self.module).to(device=device, dtype=dtype))


@torch.no_grad()
def predictions(module: nn.Module, features: Tensor) -> Tensor:
    """Return the outputs of a module in evaluation mode for any number of samples: ``(T, ...)`` to ``(T, ...)``."""
    return torch.cat([module(part) for part in torch.split(features, TEST_CHUNK)])


def _dropout_setting(part: nn.Module) -> str | None:
    """Return the attribute by which a module drops at random, ``None`` if it does not."""
    if isinstance(part, _DROPOUTS):
        return "p" if part.p > 0 else None
    return "dropout" if isinstance(part, nn.MultiheadAttention | nn.RNNBase) and part.dropout > 0 else None


def initialized(make_module: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Return a module initialized with a seed, without changing the state of torch's global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make_module()
