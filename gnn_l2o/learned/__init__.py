"""Learned optimizers, as algorithms whose weights live in an nn.Module."""

from gnn_l2o.learned.constant_gains import ExactDiffusionGains
from gnn_l2o.learned.milodo import MiLoDo, RefreshSchedule
from gnn_l2o.learned.model import Architecture, available_models, load_model, load_weights, save_weights

__all__ = [
    "Architecture",
    "ExactDiffusionGains",
    "MiLoDo",
    "RefreshSchedule",
    "available_models",
    "load_model",
    "load_weights",
    "save_weights",
]
