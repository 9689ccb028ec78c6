"""Runs whose nodes are divided among processes, on one machine or several."""

from gnn_l2o.distributed.minimize import minimize
from gnn_l2o.distributed.network import DistributedNetwork
from gnn_l2o.distributed.partition import partition
from gnn_l2o.distributed.processes import Division, LostProcessError, Processes, start
from gnn_l2o.distributed.team import team
from gnn_l2o.distributed.train_module import train_module

__all__ = [
    "DistributedNetwork",
    "Division",
    "LostProcessError",
    "Processes",
    "minimize",
    "partition",
    "start",
    "team",
    "train_module",
]
