"""Step sizes that are found while an optimizer runs."""

from gnn_l2o.step_sizes.blocks import Blocks
from gnn_l2o.step_sizes.dapg import MetaDAPG
from gnn_l2o.step_sizes.description import metaoptimize
from gnn_l2o.step_sizes.learner import StepSizeLearner, StepSizes
from gnn_l2o.step_sizes.meta_optimize import MetaOptimize
from gnn_l2o.step_sizes.methods import UNTUNED
from gnn_l2o.step_sizes.pg_extra import MetaPGExtra
from gnn_l2o.step_sizes.prox_ed import MetaProxED

__all__ = [
    "UNTUNED",
    "Blocks",
    "MetaDAPG",
    "MetaOptimize",
    "MetaPGExtra",
    "MetaProxED",
    "StepSizeLearner",
    "StepSizes",
    "metaoptimize",
]
