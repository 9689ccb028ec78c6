"""Learned optimizers, as algorithms whose weights live in an nn.Module."""

from gnn_l2o.algorithms.registry import METHODS
from gnn_l2o.learned.architecture import GRID_SEARCH, Architecture, LearnedOptimizer
from gnn_l2o.learned.base_rules import BaseRules, BaseRulesArchitecture
from gnn_l2o.learned.constant_coefficients import ConstantCoefficients, ExactDiffusionCoefficients
from gnn_l2o.learned.generic_l2o import GenericL2O, GenericL2OArchitecture
from gnn_l2o.learned.l2o_dm import L2ODM, L2ODMArchitecture
from gnn_l2o.learned.l2o_scale import L2OScale, L2OScaleArchitecture
from gnn_l2o.learned.l2o_swarm import L2OSwarm, L2OSwarmArchitecture
from gnn_l2o.learned.learned_scalars import LearnedScalars, LearnedScalarsArchitecture
from gnn_l2o.learned.local_milodo import LocalMiLoDo, LocalMiLoDoArchitecture
from gnn_l2o.learned.local_update import LocalUpdateArchitecture, LocalUpdateOptimizer
from gnn_l2o.learned.lpg_extra import LPGExtra, LPGExtraArchitecture
from gnn_l2o.learned.matrix_milodo import MatrixMiLoDo, MatrixMiLoDoArchitecture
from gnn_l2o.learned.milodo import MiLoDo
from gnn_l2o.learned.milodo_architecture import MiLoDoArchitecture
from gnn_l2o.learned.milodo_block import MiLoDoBlock
from gnn_l2o.learned.model import (
    ARCHITECTURES,
    available_models,
    load_model,
    load_weights,
    read_architecture,
    save_model,
    save_weights,
)
from gnn_l2o.learned.per_node import PerNodeArchitecture, PerNodeMiLoDo, PerNodeNetworks
from gnn_l2o.learned.rnnprop import RNNProp, RNNPropArchitecture
from gnn_l2o.learned.schedule import RecomputeSchedule
from gnn_l2o.learned.tuned_constants import TUNED, TunedConstants, TunedMomentum
from gnn_l2o.learned.twin_l2o import TwinL2O, TwinL2OArchitecture

for _method in TUNED.values():
    METHODS.register(_method)

__all__ = [
    "ARCHITECTURES",
    "GRID_SEARCH",
    "L2ODM",
    "TUNED",
    "Architecture",
    "BaseRules",
    "BaseRulesArchitecture",
    "ConstantCoefficients",
    "ExactDiffusionCoefficients",
    "GenericL2O",
    "GenericL2OArchitecture",
    "L2ODMArchitecture",
    "L2OScale",
    "L2OScaleArchitecture",
    "L2OSwarm",
    "L2OSwarmArchitecture",
    "LPGExtra",
    "LPGExtraArchitecture",
    "LearnedOptimizer",
    "LearnedScalars",
    "LearnedScalarsArchitecture",
    "LocalMiLoDo",
    "LocalMiLoDoArchitecture",
    "LocalUpdateArchitecture",
    "LocalUpdateOptimizer",
    "MatrixMiLoDo",
    "MatrixMiLoDoArchitecture",
    "MiLoDo",
    "MiLoDoArchitecture",
    "MiLoDoBlock",
    "PerNodeArchitecture",
    "PerNodeMiLoDo",
    "PerNodeNetworks",
    "RNNProp",
    "RNNPropArchitecture",
    "RecomputeSchedule",
    "TunedConstants",
    "TunedMomentum",
    "TwinL2O",
    "TwinL2OArchitecture",
    "available_models",
    "load_model",
    "load_weights",
    "read_architecture",
    "save_model",
    "save_weights",
]
