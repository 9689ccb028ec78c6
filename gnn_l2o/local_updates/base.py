"""What every centralized optimizer declares, so that each node can run it on its own iterate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from torch import Tensor

Memory = TypeVar("Memory")


class LocalUpdate(ABC, Generic[Memory]):
    r"""A centralized first-order optimizer as two pure functions, which run for all nodes side by side.

    .. math:: x_i^{k+1} = x_i^k + \Delta_i, \qquad (\Delta_i, s_i^{k+1}) = \mathrm{delta}(g_i, x_i^k, s_i^k)

    The row of a node depends on that node's rows only: a local update sends nothing. What it is given as a gradient is
    up to the decentralized method that runs it. Subclasses are frozen dataclasses whose attributes are hyperparameters;
    the memory s is a frozen dataclass whose tensors have one row for each node.

    Attributes:
        preserves_zero: whether :math:`\Delta` is 0 where this gradient and all before it were 0. Only then can a
            solution be a fixed point.

    Shape:
        N nodes, d coordinates; gradient, x and :math:`\Delta` are ``(N, d)``.
    """

    preserves_zero: bool = True

    @abstractmethod
    def init(self, x0: Tensor, shapes: tuple[tuple[int, ...], ...]) -> Memory:
        """Return the memory before the first update.

        Args:
            x0: ``(N, d)``, the initial iterates.
            shapes: of the arrays that x consists of, one after another (:attr:`.Problem.shapes`).
        """

    @abstractmethod
    def delta(self, gradient: Tensor, x: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        r"""Return :math:`\Delta`, ``(N, d)``, and the memory after it; mutates nothing."""

    def move(self, gradient: Tensor, x: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        r"""Return :math:`x + \Delta`, ``(N, d)``, and the memory after it.

        An optimizer that computes the new iterate rather than the difference returns it here without another rounding.
        """
        delta, memory = self.delta(gradient, x, memory)
        return x + delta, memory
