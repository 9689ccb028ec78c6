"""Any optimizer of torch, run by every node on its own iterate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor
from torch.optim import Optimizer

from gnn_l2o._utils.errors import InputError
from gnn_l2o.local_updates.base import LocalUpdate

Shapes = tuple[tuple[int, ...], ...]
Kind = Literal["tensor", "int", "float"]


@dataclass(frozen=True, eq=False)
class Entry:
    """One entry of the nodes' optimizers, such as the first moment of the second array."""

    array: int  # whose; -1 for an entry of the parameter group
    key: str
    kind: Kind  # what the optimizer holds
    value: Tensor  # (N, ...), that of every node


@dataclass(frozen=True, eq=False)
class TorchMemory:
    """Memory of :class:`TorchOptimizer`."""

    shapes: Shapes
    entries: tuple[Entry, ...]


@dataclass(frozen=True, eq=False)
class TorchOptimizer(LocalUpdate[TorchMemory]):
    r"""An optimizer of torch as a local update: a class derived from ``torch.optim.Optimizer`` and its arguments.

    Every node has an optimizer of its own, over the arrays that x consists of (:attr:`.Problem.shapes`) as one
    parameter group, so that optimizers which look at whole matrices do. :meth:`move` gives exactly the iterate of the
    plain loop over ``optimizer.step()``. The state of the optimizers and the numbers of their groups are in the memory;
    nothing else is kept from one update to the next. Gradients do not flow through an update.

    Nodes take their steps one after another, so an update costs N calls of ``step()``.

    Attributes:
        optimizer: the class, such as ``torch.optim.NAdam``.
        arguments: those of the class after the parameters, ``{"lr": 1e-3}``.

    Raises:
        InputError: ``optimizer`` is no such class; it refuses the arguments or the arrays; it calls the loss itself, as
            LBFGS does, or keeps other things than tensors and numbers for an array.

    Example:
        >>> from gnn_l2o.decentralized import Tracked
        >>> Tracked(TorchOptimizer(torch.optim.NAdam, {"lr": 0.1}))
        Tracked(update=TorchOptimizer(optimizer=NAdam, arguments={'lr': 0.1}), prox_step=None)
    """

    preserves_zero = False  # not known

    optimizer: type[Optimizer]
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (isinstance(self.optimizer, type) and issubclass(self.optimizer, Optimizer)):
            raise InputError(
                f"expected a class derived from torch.optim.Optimizer, such as torch.optim.AdamW, got {self.optimizer}"
            )
        if self.optimizer is torch.optim.LBFGS:
            raise InputError("LBFGS evaluates the loss several times a step; expected an optimizer that does not")

    def __repr__(self) -> str:
        return f"TorchOptimizer(optimizer={self.optimizer.__name__}, arguments={dict(self.arguments)})"

    def init(self, x0: Tensor, shapes: Shapes) -> TorchMemory:
        if sum(map(math.prod, shapes)) != x0.size(1):
            raise InputError(f"x has {x0.size(1)} coordinates; arrays of the shapes {shapes} have another number")
        first = self._optimizer(_arrays(x0[0], shapes))
        entries = [entry for entry in _entries(first) if entry.array < 0]
        nodes = x0.size(0)
        return TorchMemory(shapes, tuple(_repeated(entry, nodes) for entry in entries))

    def delta(self, gradient: Tensor, x: Tensor, memory: TorchMemory) -> tuple[Tensor, TorchMemory]:
        after, memory = self.move(gradient, x, memory)
        return after - x, memory

    def move(self, gradient: Tensor, x: Tensor, memory: TorchMemory) -> tuple[Tensor, TorchMemory]:
        rows, entries = [], []
        for node, (row, slope) in enumerate(zip(x.detach(), gradient.detach(), strict=True)):
            arrays = _arrays(row, memory.shapes)
            optimizer = self._optimizer(arrays)
            _restore(optimizer, memory.entries, node)
            for array, part in zip(arrays, _arrays(slope, memory.shapes), strict=True):
                array.grad = part
            optimizer.step()
            rows.append(torch.cat([array.detach().flatten() for array in arrays]))
            entries.append(_entries(optimizer))
        return torch.stack(rows), TorchMemory(memory.shapes, _stacked(entries))

    def _optimizer(self, arrays: list[Tensor]) -> Optimizer:
        make: Any = self.optimizer
        try:
            optimizer: Optimizer = make(arrays, **self.arguments)
        except (TypeError, ValueError) as error:
            shapes = ", ".join(str(tuple(array.shape)) for array in arrays)
            raise InputError(
                f"{self.optimizer.__name__} refuses the arguments {dict(self.arguments)} or arrays of the shapes "
                f"{shapes}: {error}"
            ) from error
        return optimizer


def _arrays(row: Tensor, shapes: Shapes) -> list[Tensor]:
    """Return copies of the arrays that a row ``(d,)`` consists of."""
    parts = torch.split(row, [math.prod(shape) for shape in shapes])
    return [part.reshape(shape).clone() for part, shape in zip(parts, shapes, strict=True)]


def _entries(optimizer: Optimizer) -> list[Entry]:
    """Return what an optimizer holds: all of its arrays, and the numbers of its group."""
    group = optimizer.param_groups[0]
    found = [
        _entry(-1, key, value)
        for key, value in group.items()
        if isinstance(value, int | float | Tensor) and not isinstance(value, bool)
    ]
    for array, parameter in enumerate(group["params"]):
        for key, value in optimizer.state[parameter].items():
            if isinstance(value, bool) or not isinstance(value, int | float | Tensor):
                raise InputError(
                    f"{type(optimizer).__name__} keeps {type(value).__name__} {key!r} for an array; expected tensors "
                    "and numbers only"
                )
            found.append(_entry(array, key, value))
    return found


def _entry(array: int, key: str, value: float | Tensor) -> Entry:
    if isinstance(value, Tensor):
        return Entry(array, key, "tensor", value.detach())
    kind: Kind = "int" if isinstance(value, int) else "float"
    return Entry(array, key, kind, torch.tensor(value, dtype=torch.float64))


def _repeated(entry: Entry, nodes: int) -> Entry:
    value = entry.value.expand(nodes, *entry.value.shape).clone()
    return Entry(entry.array, entry.key, entry.kind, value)


def _stacked(nodes: Sequence[Sequence[Entry]]) -> tuple[Entry, ...]:
    """Return the entries of all nodes, which have the same keys."""
    return tuple(
        Entry(each[0].array, each[0].key, each[0].kind, torch.stack([entry.value for entry in each]))
        for each in zip(*nodes, strict=True)
    )


def _restore(optimizer: Optimizer, entries: tuple[Entry, ...], node: int) -> None:
    """Give an optimizer what that of a node held; it may change its copies."""
    group = optimizer.param_groups[0]
    for entry in entries:
        value: Any = entry.value[node]
        value = value.clone() if entry.kind == "tensor" else float(value) if entry.kind == "float" else int(value)
        holder = group if entry.array < 0 else optimizer.state[group["params"][entry.array]]
        holder[entry.key] = value
