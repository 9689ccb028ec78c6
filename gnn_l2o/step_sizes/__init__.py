"""Step sizes that are found while an optimizer runs."""

from gnn_l2o.step_sizes.blocks import Blocks
from gnn_l2o.step_sizes.learner import StepSizeLearner, StepSizes
from gnn_l2o.step_sizes.meta_optimize import MetaOptimize

__all__ = ["Blocks", "MetaOptimize", "StepSizeLearner", "StepSizes"]
