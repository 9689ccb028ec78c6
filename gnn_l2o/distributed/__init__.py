"""Runs whose nodes are held by several processes, on one machine or several."""

from gnn_l2o.distributed.network import DistributedNetwork
from gnn_l2o.distributed.partition import partition
from gnn_l2o.distributed.processes import Division, LostProcessError, Processes, started

__all__ = ["DistributedNetwork", "Division", "LostProcessError", "Processes", "partition", "started"]
