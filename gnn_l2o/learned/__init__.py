"""Learned optimizers, as algorithms whose weights live in an nn.Module."""

from gnn_l2o.learned.constant_gains import ExactDiffusionGains
from gnn_l2o.learned.milodo import MiLoDo, RefreshSchedule

__all__ = ["ExactDiffusionGains", "MiLoDo", "RefreshSchedule"]
