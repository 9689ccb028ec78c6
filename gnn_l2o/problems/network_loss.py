"""The loss of a neural network on the samples of a node, and its gradient at all nodes at once."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import torch
from torch import Tensor, nn

from gnn_l2o._utils.structure import difference
from gnn_l2o.problems.neural_module import FlatModule
from gnn_l2o.problems.recorded_gradient import recorded

Criterion = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class NetworkLoss:
    r"""The loss :math:`\sum_j w_j \ell(h(x; a_j), b_j)` of one node's samples as a function of the parameters x.

    Attributes:
        network: h.
        criterion: l, see :class:`.NeuralNetwork`.

    Shape:
        M nodes, k samples a node, d parameters. Of one node:

        - **vector**: ``(d,)``, x
        - **features**, **targets**: ``(k, ...)``
        - **weight**: ``(k,)``
    """

    network: FlatModule
    criterion: Criterion
    _recorded: dict[Any, Callable[..., Tensor]] = field(init=False, default_factory=dict, repr=False, compare=False)

    def __call__(self, vector: Tensor, features: Tensor, targets: Tensor, weight: Tensor) -> Tensor:
        """Return the weighted sum of the losses of one node's samples, a number."""
        return weight @ self.of_outputs(self.network(vector, features), targets)

    def of_outputs(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of every sample, ``(k,)``, from outputs and targets, ``(k, ...)``."""
        losses = self._sample_losses(outputs, targets)
        return losses.flatten(1).mean(dim=1) if losses.dim() > 1 else losses

    @cached_property
    def _sample_losses(self) -> Criterion:
        """The criterion without its reduction: ``(k, ...)`` and ``(k, ...)`` to ``(k, ...)``."""
        criterion: Any = self.criterion
        if isinstance(criterion, nn.Module):
            if hasattr(criterion, "reduction"):
                unreduced = copy.copy(criterion)
                unreduced.reduction = "none"  # type: ignore[assignment]  # to mypy attributes of modules are modules
                return unreduced
        elif "reduction" in inspect.signature(criterion).parameters:
            return functools.partial(criterion, reduction="none")
        return torch.vmap(lambda output, target: criterion(output.unsqueeze(0), target.unsqueeze(0)).mean())

    def losses(self, *args: Tensor) -> Tensor:
        """Return the losses of M nodes, from arguments ``(M, ...)`` each: ``(M,)``."""
        return self.each(self, *args)

    def gradients(self, *args: Tensor) -> Tensor:
        """Return the gradients of the losses of M nodes in x, from arguments ``(M, ...)`` each: ``(M, d)``.

        The operations that they consist of are recorded once for each shape, which saves what vmap and grad cost a
        call. Not where the result is differentiated, as in meta-training: not all of them can be differentiated again.
        """
        function = functools.partial(self.each, torch.func.grad(self))
        if self.network.convolves or torch.is_grad_enabled():
            return function(*args)
        key = tuple((a.shape, a.dtype, a.device) for a in args)
        if key not in self._recorded:
            self._recorded[key] = recorded(function, *args)
        return self._recorded[key](*args)

    def each(self, function: Callable[..., Tensor], *args: Tensor) -> Tensor:
        """Return what a function of one node returns for each of M nodes, from arguments ``(M, ...)``."""
        # Convolutions with weights of every node would become grouped ones, which are slower than one after another,
        # and whose second derivatives took minutes.
        return torch.vmap(function, chunk_size=1 if self.network.convolves else None)(*args)

    def difference(self, other: NetworkLoss) -> str | None:
        """Return in what another loss differs as a function of x and the samples, or ``None`` if in nothing."""
        return self.network.difference(other.network) or difference(self.criterion, other.criterion, "the loss")

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Self:
        """Return a copy on ``device``, with its real numbers in ``dtype``."""
        criterion: Any = self.criterion
        if isinstance(criterion, nn.Module):
            criterion = copy.deepcopy(criterion).to(device=device, dtype=dtype)
        return type(self)(self.network.to(device, dtype), criterion)
