"""The limit that the speed of information sets."""

from __future__ import annotations

from dataclasses import dataclass

from gnn_l2o.graph.network import Network
from gnn_l2o.limits.arrival import Arrival
from gnn_l2o.problems import Problem


@dataclass(frozen=True, eq=False)
class Diameter(Arrival):
    """Information travels one edge a round: no method has the minimizer at all nodes before the graph's diameter.

    Until then some node has heard nothing of another node's loss. All nodes stay at the initial point for as many
    rounds as the diameter, and then have the minimizer. To a coarse tolerance a method may need fewer rounds, where the
    losses are alike.

    What is sent is left open, and so is privacy: messages of any size, raw data included.
    """

    name = "diameter"
    label = "diameter of the graph"
    directed = True

    def vectors(self, problem: Problem, network: Network) -> tuple[int, ...]:
        return (0,) * int(network.diameter)
