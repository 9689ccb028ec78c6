"""How the nodes form the sum over nodes that a layer needs: exactly, by gossip, or by exact diffusion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.graph.fast_mix import fast_mix
from gnn_l2o.graph.network import Network

How = Literal["sum", "gossip", "exact_diffusion"]


@dataclass(frozen=True, eq=False)
class Correction:
    """What exact diffusion remembers from one layer to the next."""

    psi: Tensor  # (N, w), what the nodes gave at the last layer
    combined: Tensor  # (N, w), u, what came of it


@dataclass(frozen=True)
class SumOverNodes:
    r"""Brings the nodes' values :math:`\psi_i`, whose average a layer needs, together.

    - ``"sum"``: the exact average, over a spanning tree (:meth:`.Communication.graph_mean`): twice the radius of the
      graph in rounds.
    - ``"gossip"``: R rounds of FastMix (:func:`.fast_mix`), which tends to the average as R grows.
    - ``"exact_diffusion"``: :math:`u^k = \tfrac12 (I + W)(\psi^k + u^{k-1} - \psi^{k-1})` (Yuan, Ying, Zhao, Sayed
      2019, IEEE TSP 67(3)), one round. It averages over the layers, so it needs more of them.

    On a single node all three return :math:`\psi` itself, bit for bit.

    Attributes:
        how: one of the three.
        rounds: R, of gossip.
    """

    how: How
    rounds: int

    @property
    def setup_knowledge(self) -> frozenset[str]:
        """The facts about the whole graph that it takes, see :attr:`.Algorithm.setup_knowledge`."""
        known = {"sum": {"graph_sizes", "radius"}, "gossip": {"spectral_gap", "min_eigenvalue"}}
        return frozenset(known.get(self.how, ()))

    def cost(self, numbers: int) -> Cost:
        """Return what one call costs, with so many numbers beside the vector; of a sum, without its rounds."""
        if self.how == "sum":
            return Cost(vectors=1, numbers=numbers)
        rounds = self.rounds if self.how == "gossip" else 1
        return Cost(rounds=rounds, vectors=rounds, numbers=numbers * rounds)

    def init(self, value: Tensor) -> Correction | None:
        """Return what is remembered before the first call, for values ``(N, w)`` that the nodes begin with."""
        return Correction(psi=value, combined=value) if self.how == "exact_diffusion" else None

    def __call__(
        self, network: Network, psi: Tensor, memory: Correction | None, numbers: int = 0
    ) -> tuple[Tensor, Correction | None]:
        """Return at every node an estimate of the average, and what is to be remembered.

        Args:
            network: the graph.
            psi: ``(N, w)``, a vector of every node, with single numbers as its last columns.
            memory: of the call before.
            numbers: how many columns are single numbers.
        """
        network.count_numbers(self.cost(numbers).numbers)
        if self.how == "sum":
            return network.graph_mean(psi), None
        if self.how == "gossip":
            return fast_mix(network, psi, self.rounds), None
        assert memory is not None
        # In this order: where psi and u are equal, as they are at a single node, the difference is exactly zero.
        corrected = psi + (memory.combined - memory.psi)
        combined = 0.5 * (corrected + network.mix(corrected))
        return combined, Correction(psi=psi, combined=combined)
