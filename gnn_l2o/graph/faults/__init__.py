"""Faults of links and nodes: what fails, how it is drawn, and the network on which it happens."""

from gnn_l2o.graph.faults.description import Faults
from gnn_l2o.graph.faults.links import FaultyLinks
from gnn_l2o.graph.faults.network import FaultyNetwork

__all__ = ["Faults", "FaultyLinks", "FaultyNetwork"]
