"""Faults of links and nodes: what fails, how it is drawn, and the network on which it happens."""

from gnn_l2o.faults.description import Faults
from gnn_l2o.faults.links import FaultyLinks
from gnn_l2o.faults.network import FaultyNetwork

__all__ = ["Faults", "FaultyLinks", "FaultyNetwork"]
