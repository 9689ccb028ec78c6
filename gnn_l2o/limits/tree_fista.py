"""The limit of accelerated gradient methods that average exactly over the graph."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.graph.network import Network
from gnn_l2o.limits.accelerated import AcceleratedGradient


@dataclass(frozen=True, eq=False)
class TreeFista(AcceleratedGradient):
    """FISTA with restart and exact averages of gradients over a breadth-first spanning tree.

    An iteration takes twice the radius of the graph in rounds (:meth:`.Communication.graph_mean`). See
    :class:`.AcceleratedGradient`. It is what coordination buys: the nodes agree on a tree and on a root, and all of
    them wait for each other in every iteration.

    What is sent are partial sums of gradients at a common point; a leaf of the tree shows its parent its own gradients.
    """

    name = "tree_fista"
    label = "FISTA, averages over a tree"
    cost = Cost(vectors=1, gradients=1, proxes=1)
    setup_knowledge = frozenset({"graph_sizes", "radius"})

    def average(self, network: Network, gradient: Tensor) -> Tensor:
        return network.graph_mean(gradient)
