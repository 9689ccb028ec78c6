"""Faults by which the whole exchange over a link fails, for both of its ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.communication import Communication
from gnn_l2o.graph.faults.description import Faults
from gnn_l2o.graph.faults.draws import Draws


class Failure(Protocol):
    """Tells which links fail; it is asked for one round after the other."""

    def fails(self, k: int) -> Tensor:
        """Return which links fail in round k, ``(U, 1)``."""


@dataclass(frozen=True)
class Drop:
    """Links fail independently of each other and of other rounds.

    Attributes:
        probability: that a link fails.
        links: numbers the links.
    """

    probability: float
    links: Draws

    def fails(self, k: int) -> Tensor:
        return self.links.uniform("drop", k) < self.probability


class Burst:
    r"""Links are good or bad, Markov chains of two states (Gilbert 1960, Elliott 1963), and fail while they are bad.

    .. math::
        P(\text{bad} \to \text{good}) = 1 / L, \qquad P(\text{good} \to \text{bad}) = \frac{p}{(1 - p) L}

    so that a link is bad with probability p, also in the first round, and for L rounds on average.

    Args:
        probability: p.
        length: L.
        links: numbers the links.
    """

    def __init__(self, probability: float, length: float, links: Draws) -> None:
        self._probability, self._length, self._links = probability, length, links
        self._bad: Tensor | None = None

    def fails(self, k: int) -> Tensor:
        draw, p = self._links.uniform("burst", k), self._probability
        if self._bad is None:
            self._bad = draw < p
        else:
            self._bad = torch.where(self._bad, draw >= 1 / self._length, draw < p / ((1 - p) * self._length))
        return self._bad


@dataclass(frozen=True)
class Sleep:
    """Nodes sleep independently of each other and of other rounds; their links fail.

    Attributes:
        probability: that a node sleeps.
        nodes: numbers the nodes.
        ends: the two ends of every link, ``(2, U)``.
    """

    probability: float
    nodes: Draws
    ends: Tensor

    def fails(self, k: int) -> Tensor:
        asleep = self.nodes.uniform("sleep", k) < self.probability
        i, j = self.ends
        return asleep.index_select(0, i) | asleep.index_select(0, j)


@dataclass(frozen=True)
class RandomGraphs:
    """Each link is there in one round of every ``period``, a random one, so that their union is the whole graph.

    Attributes:
        period: B.
        links: numbers the links.
    """

    period: int
    links: Draws

    def fails(self, k: int) -> Tensor:
        turn = (self.links.uniform("links", k // self.period) * self.period).floor()
        return turn != k % self.period


@dataclass(frozen=True)
class GivenGraphs:
    """The graphs of a given sequence, again and again.

    Attributes:
        present: for every round of the sequence which links are there, ``(U, 1)`` each.
    """

    present: tuple[Tensor, ...]

    def fails(self, k: int) -> Tensor:
        return ~self.present[k % len(self.present)]

    @classmethod
    def of(cls, faults: Faults, network: Communication) -> GivenGraphs:
        """Return those of a description.

        Raises:
            InputError: they have a link that the network does not have.
        """
        assert isinstance(faults.links, tuple)
        ends = network.node_number[network.link_index].sort(dim=0).values
        num_nodes, num_links = network.totals
        own = num_nodes * ends[0] + ends[1]
        known = {int(key) for key in own} if num_links == own.numel() else None  # a part cannot tell
        present = []
        for links in faults.links:
            keys = [num_nodes * i + j for i, j in links]
            for (i, j), key in zip(links, keys, strict=True):
                if known is not None and (key not in known or j >= num_nodes):
                    raise InputError(f"faults: links has ({i}, {j}), which is no link of the network")
            present.append(torch.isin(own, torch.tensor(keys, dtype=own.dtype, device=own.device)).unsqueeze(1))
        return cls(tuple(present))


def failures(faults: Faults, network: Communication, links: Draws, nodes: Draws) -> list[Failure]:
    """Return all faults of this family that a description has.

    Args:
        faults: the description.
        network: the graph without them.
        links: numbers the links.
        nodes: numbers the nodes.
    """
    found: list[Failure] = []
    if faults.drop:
        found.append(Drop(faults.drop, links) if faults.burst is None else Burst(faults.drop, faults.burst, links))
    if faults.sleep:
        found.append(Sleep(faults.sleep, nodes, network.link_index))
    if isinstance(faults.links, int):
        found.append(RandomGraphs(faults.links, links))
    elif faults.links is not None:
        found.append(GivenGraphs.of(faults, network))
    return found
