"""Runs whose nodes are held by several processes, on one machine or several."""

from gnn_l2o.distributed.minimize import minimize
from gnn_l2o.distributed.network import DistributedNetwork
from gnn_l2o.distributed.partition import partition
from gnn_l2o.distributed.processes import Division, LostProcessError, Processes, start
from gnn_l2o.distributed.train_module import train_module

__all__ = [
    "DistributedNetwork",
    "Division",
    "LostProcessError",
    "Processes",
    "minimize",
    "partition",
    "start",
    "train_module",
]
