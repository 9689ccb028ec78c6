"""The exchange of push-sum methods, which needs no answer from those who receive."""

from __future__ import annotations

from functools import cached_property

from torch import Tensor

from gnn_l2o.graph.communication import Communication


class PushSum(Communication):
    r"""What nodes can send over directed edges, after Kempe, Dobra, Gehrke 2003 (FOCS, push-sum).

    Node j splits what it sends into equal shares, one for each of its :math:`d_j` out-neighbours and one that it keeps:

    .. math::
        (C v)_i = \sum_j c_{ij} v_j, \qquad c_{ij} = \frac{1}{1 + d_j} \text{ for } j = i \text{ and every edge } (j, i)

    The columns of C sum to one, so that sums over nodes stay as they are; its rows need not. Nodes that push a number
    :math:`\phi`, from :math:`\phi_i^0 = 1`, along with v know how much of all shares has come to them, and
    :math:`v_i / \phi_i` tends to the average of :math:`v^0` over the nodes of every strongly connected graph. Over an
    undirected graph the neighbours are the out-neighbours.
    """

    def push(self, *vectors: Tensor, numbers: Tensor | None = None) -> tuple[Tensor, ...]:
        """Let every node send shares of vectors and numbers: a round a vector, one for numbers alone.

        Args:
            vectors: ``(N, d)`` each.
            numbers: ``(N, k)``, k single numbers that travel with the vectors.

        Returns:
            C v for every vector, and last for the numbers, in the same shapes.
        """
        values = vectors if numbers is None else (*vectors, numbers)
        self._count(len(vectors), 0 if numbers is None else numbers.size(1))
        sender, receiver = self.edge_index
        shares = [self._share.to(value.dtype) * value for value in values]
        sent = self._with_neighbours(*shares)
        return tuple(
            own.index_add(0, receiver, ends.index_select(0, sender)) for own, ends in zip(shares, sent, strict=True)
        )

    @property
    def out_degree(self) -> Tensor:
        """``(N, 1)``, how many out-neighbours every node has, in the precision of the weights."""
        return self.degree

    @cached_property
    def _share(self) -> Tensor:
        """``(N, 1)``, the part of its value that a node sends to each out-neighbour and keeps."""
        return 1 / (1 + self.out_degree)
