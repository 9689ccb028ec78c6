"""The limit of first-order methods whose communication is free of charge but for its rounds."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.graph.network import Network
from gnn_l2o.limits.accelerated import AcceleratedGradient


@dataclass(frozen=True, eq=False)
class CentralizedFista(AcceleratedGradient):
    """FISTA with restart where one round averages gradients over all nodes, as on a complete graph or with a server.

    No decentralized method can average exactly in one round, so a method of one gradient a round that needs fewer
    rounds does better than acceleration without any communication trouble. See :class:`.AcceleratedGradient`.

    What is sent are gradients at a common point, averaged by someone whom all nodes can reach.
    """

    name = "centralized_fista"
    label = "centralized FISTA"
    directed = True
    cost = Cost(rounds=1, vectors=1, gradients=1, proxes=1)

    def average(self, network: Network, gradient: Tensor) -> Tensor:
        network.wait(vectors=1)
        return gradient.mean(dim=0, keepdim=True).expand_as(gradient)
