"""The exchanges between nodes, with faults."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from gnn_l2o.graph.communication import Communication, Ends
from gnn_l2o.graph.faults.compression import Compression
from gnn_l2o.graph.faults.description import Faults
from gnn_l2o.graph.faults.draws import Draws
from gnn_l2o.graph.faults.failures import Failure, failures
from gnn_l2o.graph.faults.reception import Reception


class FaultyLinks(Communication):
    """:class:`.Communication` with :class:`.Faults`: a class to inherit from in front of one that holds a network.

    Where an exchange fails, a node takes its own value for its neighbour's, so that their difference is zero and mixing
    moves the weight of the link to the self-weights of its ends: W stays symmetric and doubly stochastic.
    :attr:`.Ends.arrived` tells it to methods with edge variables, which keep theirs.

    Where ends may come to different differences (:attr:`.Faults.is_one_sided`), rows of edges are always directed
    edges, so that each end has edge variables of its own. With compression, a node also takes for its own value what
    its neighbours take for it.

    It remembers the number of rounds and what delayed and compressed messages refer to, and thus serves one run, as its
    :attr:`traffic` does.

    Attributes:
        faults: which.
    """

    faults: Faults

    def neighbours(
        self, *vectors: Tensor, numbers: Tensor | None = None, directed: bool = False, setup: bool = False
    ) -> tuple[Ends, ...]:
        directed = self._by_edge(directed)
        if setup:
            return super().neighbours(*vectors, numbers=numbers, directed=directed, setup=True)
        kinds = [f"vector {n}" for n in range(len(vectors))]
        sent = [self._compression(v, kind) for v, kind in zip(vectors, kinds, strict=True)]
        every = super().neighbours(*sent, numbers=numbers, directed=directed)
        if numbers is not None:
            kinds.append("numbers")
        return self._receive(every, kinds, directed)

    def swap_ends(self, value: Tensor) -> Ends:
        sent = self._compression(value, "edge")
        (ends,) = self._receive((Ends(sent, super().swap(sent)),), ["edge"], directed=True)
        return ends

    def swap(self, value: Tensor) -> Tensor:
        return self.swap_ends(value).other

    def mix(self, x: Tensor) -> Tensor:
        (flow,) = self.flows(self.weights().to(x.dtype), x)
        return x - flow

    def mix_with(self, x: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        ends, few = self.neighbours(x, numbers=numbers)
        weights = self.weights().to(x.dtype)
        return x - self.collect(weights * ends.difference), numbers - self.collect(weights * few.difference)

    def flows(self, laplacians: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        (ends,) = self.neighbours(z)
        return tuple(self.collect(p * ends.difference) for p in torch.split(laplacians, 1, dim=1))

    def laplacians(self, *weights: Tensor) -> Tensor:
        """Return weights ``(R, 1)`` side by side, ``(R, k)``, for :meth:`flows`: which links count, a round decides."""
        return torch.cat(weights, dim=1)

    def collect(self, message: Tensor, *, directed: bool = False) -> Tensor:
        return super().collect(message, directed=self._by_edge(directed))

    def reduce(
        self, value: Tensor, how: Literal["sum", "amin", "amax"], *, empty: float, directed: bool = False
    ) -> Tensor:
        return super().reduce(value, how, empty=empty, directed=self._by_edge(directed))

    def at_edges(self, value: Tensor, *, directed: bool = False) -> Tensor:
        return super().at_edges(value, directed=self._by_edge(directed))

    def weights(self, *, directed: bool = False) -> Tensor:
        return super().weights(directed=self._by_edge(directed))

    def _by_edge(self, directed: bool) -> bool:
        """Tell whether rows of edges are directed edges."""
        return directed or self.faults.is_one_sided

    def _receive(self, sent: tuple[Ends, ...], kinds: list[str], directed: bool) -> tuple[Ends, ...]:
        """Return what is received of vectors that travel together: a round passes."""
        k = next(self._rounds)
        arrived = torch.ones_like(self.weight, dtype=torch.bool)
        for failure in self._failures:
            arrived = arrived & ~failure.fails(k)
        if directed:
            arrived = arrived.index_select(0, self.edge_link)
            if self.faults.one_way:
                arrived = arrived & ~self._reception.lost(k)
        self.traffic.failed += int((~arrived).sum()) * (1 if directed else 2)
        found = []
        for ends, kind in zip(sent, kinds, strict=True):
            other, known = ends.other, arrived
            if self.faults.is_one_sided:
                other, known = self._reception.received(other, arrived, k, kind)
            found.append(Ends(ends.own, torch.where(known, other, ends.own), known))
        return tuple(found)

    @cached_property
    def _rounds(self) -> Iterator[int]:
        """The numbers of the rounds to come."""
        return itertools.count()

    @cached_property
    def _failures(self) -> list[Failure]:
        seed, (nodes, links) = self.faults.seed, self.totals
        return failures(self.faults, self, Draws(seed, self.link_number, links), Draws(seed, self.node_number, nodes))

    @cached_property
    def _reception(self) -> Reception:
        sender, receiver = self.node_number[self.edge_index]
        number = 2 * self.link_number[self.edge_link] + (sender < receiver)
        return Reception(self.faults, Draws(self.faults.seed, number, 2 * self.totals[1]))

    @cached_property
    def _compression(self) -> Compression:
        return Compression(self.faults.bits, self.faults.keep, feedback=self.faults.feedback)

    @cached_property
    def _laplacian(self) -> Tensor:
        return super().laplacians(self.weight)  # of the graph without faults
