"""The rows of a dictionary at the nodes that hold them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Dictionary:
    r"""Dictionaries :math:`A = [A_1; \dots; A_N]`, node i with the rows :math:`A_i`.

    Each of P dictionaries belongs to one problem; C copies of all of them may stand side by side, copy after copy, and
    share their data. Vectors of the nodes, ``(C M, n)``, and their residuals, ``(C M, k)``, have one row for each node.

    Attributes:
        rows: ``(M, k, n)``, the rows of every node; zero beyond its last one.
        number: ``(M, k)``, which row of A each of them is; beyond the last one, any.
        present: ``(M, k)``, bool, False beyond the last row of a node.
        peers: ``(M, 1)``, the number N of nodes that share the dictionary.
        total: m, the number of rows of A.
        batch: ``(M,)``, the dictionary of every node, 0 to P - 1.

    Shape:
        M nodes of P dictionaries, C copies of them, k the largest number of rows of a node, n coordinates.
    """

    rows: Tensor
    number: Tensor
    present: Tensor
    peers: Tensor
    total: int
    batch: Tensor

    @property
    def dim(self) -> int:
        """n, the number of columns."""
        return self.rows.size(2)

    def apply(self, x: Tensor) -> Tensor:
        """Return A_i x_i of every node: ``(C M, n)`` to ``(C M, k)``."""
        return self._to_nodes(self._of_nodes(x) @ self.rows.transpose(1, 2))

    def correlate(self, residual: Tensor, weight: Tensor) -> Tensor:
        r"""Return :math:`N W_i^\top r_i` of every node, whose average over the nodes is :math:`W^\top r`.

        Args:
            residual: r, ``(C M, k)``.
            weight: W at the nodes, ``(M, k, n)``; from :meth:`at_nodes`.

        Returns:
            ``(C M, n)``.
        """
        product = self._to_nodes(self._of_nodes(residual) @ weight)
        return product * self.of_copies(self.peers.to(product), product.size(0))

    def at_nodes(self, weight: Tensor) -> Tensor:
        """Return the rows of a matrix of the size of A that belong to every node: ``(m, n)`` to ``(M, k, n)``."""
        if self.rows.size(0) == 1 and self.rows.size(1) == self.total:
            return weight.unsqueeze(0)
        return weight[self.number] * self.present.unsqueeze(2)

    def whole(self, position: int = 0) -> Tensor:
        """Return one dictionary, ``(m, n)``, which no node alone knows."""
        nodes = self.batch == position
        if int(self.present[nodes].sum()) != self.total:
            raise ValueError("this process has a part of the dictionary only")
        whole = self.rows.new_zeros(self.total, self.dim)
        chosen = self.present[nodes]
        return whole.index_copy(0, self.number[nodes][chosen], self.rows[nodes][chosen])

    @cached_property
    def analytic(self) -> Tensor:
        """The analytic weights of every dictionary (:func:`analytic_weights`) at its nodes, ``(M, k, n)``."""
        found = torch.zeros_like(self.rows)
        for nodes, weights in self._of_each(analytic_weights):
            found[nodes] = weights[self.number[nodes]] * self.present[nodes].unsqueeze(2)
        return found

    @cached_property
    def analytic_curvature(self) -> Tensor:
        r"""The largest real part of an eigenvalue of any :math:`N W_i^\top A_i` of the node's dictionary, ``(M, 1)``.

        W are the analytic weights.
        """
        # (M, k, k), the matrices N A_i W_i' with the same nonzero eigenvalues
        products = self.peers.unsqueeze(2) * self.rows @ self.analytic.transpose(1, 2)
        largest = torch.linalg.eigvals(products.double()).real.amax(dim=1)
        of_each = torch.zeros_like(largest).scatter_reduce(0, self.batch, largest, "amax", include_self=False)
        return of_each[self.batch].to(self.rows).unsqueeze(1)

    @cached_property
    def smoothness(self) -> Tensor:
        r"""The constant :math:`L = 1.001 \|A\|_2^2` of the dictionary of every node, ``(M, 1)``."""
        found = self.rows.new_zeros(len(self.batch), 1)
        for nodes, norm in self._of_each(lambda whole: torch.linalg.matrix_norm(whole.double(), ord=2)):
            found[nodes] = 1.001 * norm.to(found) ** 2
        return found

    def _of_each(self, function: Callable[[Tensor], Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield for every dictionary its nodes, ``(M,)``, bool, and a function of it; once for equal ones in a row."""
        before: tuple[Tensor, Tensor] | None = None
        for position in range(int(self.batch[-1]) + 1):
            whole = self.whole(position)
            if before is None or not torch.equal(before[0], whole):
                before = whole, function(whole)
            yield self.batch == position, before[1]

    def of_copies(self, value: Tensor, rows: int) -> Tensor:
        """Repeat what every stored node has for as many copies as there are rows: ``(M, ...)`` to ``(C M, ...)``."""
        return value.repeat(rows // value.size(0), *[1] * (value.dim() - 1))

    def _of_nodes(self, x: Tensor) -> Tensor:
        """Bring the copies of a node together: ``(C M, d)`` to ``(M, C, d)``."""
        return x.reshape(-1, self.rows.size(0), x.size(1)).transpose(0, 1)

    def _to_nodes(self, x: Tensor) -> Tensor:
        """Undo :meth:`_of_nodes`."""
        return x.transpose(0, 1).reshape(-1, x.size(2))


def analytic_weights(matrix: Tensor) -> Tensor:
    r"""Return the W of smallest :math:`\|W^\top A\|_F^2` with :math:`w_j^\top a_j = 1` for every column: ``(m, n)``.

    .. math::
        w_j = \frac{G^{-1} a_j}{a_j^\top G^{-1} a_j}, \qquad G = A A^\top

    These are the weights of Liu, Chen, Wang, Yin 2019 (ALISTA, ICLR), there found by projected gradient
    steps. The columns of W do not share a constraint, and :math:`\|W^\top A\|_F^2 = \sum_j w_j^\top G w_j`; one
    Lagrange multiplier for each column gives the formula. It is computed in double precision by one Cholesky factor.

    Args:
        matrix: A, ``(m, n)``, of rank m.
    """
    a = matrix.double()
    solved = torch.cholesky_solve(a, torch.linalg.cholesky(a @ a.t()))
    return (solved / (a * solved).sum(dim=0)).to(matrix).contiguous()
