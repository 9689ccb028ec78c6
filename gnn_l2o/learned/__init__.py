"""Learned optimizers, as algorithms whose weights live in an nn.Module."""

from gnn_l2o.learned.architecture import SCOUTED, Architecture, LearnedOptimizer
from gnn_l2o.learned.base_rules import BaseRules, BaseRulesArchitecture
from gnn_l2o.learned.constant_gains import ConstantGains, ExactDiffusionGains
from gnn_l2o.learned.generic_l2o import GenericL2O, GenericL2OArchitecture
from gnn_l2o.learned.learned_scalars import LearnedScalars, LearnedScalarsArchitecture
from gnn_l2o.learned.lpg_extra import LPGExtra, LPGExtraArchitecture
from gnn_l2o.learned.matrix_milodo import MatrixMiLoDo, MatrixMiLoDoArchitecture
from gnn_l2o.learned.milodo import MiLoDo, MiLoDoArchitecture, RefreshSchedule
from gnn_l2o.learned.model import (
    ARCHITECTURES,
    available_models,
    load_model,
    load_weights,
    read_architecture,
    save_weights,
)
from gnn_l2o.learned.per_node import PerNodeArchitecture, PerNodeGains, PerNodeMiLoDo
from gnn_l2o.learned.tuned_constants import TUNED, TunedConstants, TunedMomentum

__all__ = [
    "ARCHITECTURES",
    "SCOUTED",
    "TUNED",
    "Architecture",
    "BaseRules",
    "BaseRulesArchitecture",
    "ConstantGains",
    "ExactDiffusionGains",
    "GenericL2O",
    "GenericL2OArchitecture",
    "LPGExtra",
    "LPGExtraArchitecture",
    "LearnedOptimizer",
    "LearnedScalars",
    "LearnedScalarsArchitecture",
    "MatrixMiLoDo",
    "MatrixMiLoDoArchitecture",
    "MiLoDo",
    "MiLoDoArchitecture",
    "PerNodeArchitecture",
    "PerNodeGains",
    "PerNodeMiLoDo",
    "RefreshSchedule",
    "TunedConstants",
    "TunedMomentum",
    "available_models",
    "load_model",
    "load_weights",
    "read_architecture",
    "save_weights",
]
