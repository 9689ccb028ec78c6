"""The processes that hold a problem together, as a problem sees them."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Holders(Protocol):
    """The processes among which the nodes of one problem are divided; all of them make the same calls in one order.

    Attributes:
        num_nodes: N, the nodes of all processes together.
        nodes: ``(n,)``, the numbers of this process's nodes, ascending.
    """

    @property
    def num_nodes(self) -> int: ...

    @property
    def nodes(self) -> Tensor: ...

    def sum(self, value: Tensor) -> Tensor:
        """Return the sum of the tensors that the processes give, of one shape."""

    def max(self, value: Tensor) -> Tensor:
        """Return the largest of the tensors that the processes give, entry by entry."""

    def gather(self, rows: Tensor) -> Tensor:
        """Return the rows of all nodes from those of every process's nodes: ``(n, k)`` to ``(N, k)``."""
