"""Decentralized training of a module of one's own: the loop in a line, or as a loop of one's own."""

from gnn_l2o.applications.module_training.progress import Progress
from gnn_l2o.applications.module_training.session import ModuleSession
from gnn_l2o.applications.module_training.train import TrainedModule, train_module

__all__ = ["ModuleSession", "Progress", "TrainedModule", "train_module"]
