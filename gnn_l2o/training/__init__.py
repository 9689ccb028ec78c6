"""Training an optimizer on a mixture of problems and graphs."""

from gnn_l2o.training.config import TrainingConfig
from gnn_l2o.training.layerwise import LayerStage, LayerwiseConfig, LayerwiseRun
from gnn_l2o.training.losses import LOSSES, MetaLoss
from gnn_l2o.training.presets import DEFAULT_ARCHITECTURE, fine_tuning, quick_settings
from gnn_l2o.training.recipe import config_of, is_unrolled, read_layer_stages, read_recipe, read_stages
from gnn_l2o.training.stages import (
    DEFAULT_STAGES,
    FINE_TUNING_STAGES,
    PAPER_STAGES,
    Stage,
    with_epochs,
    with_learning_rate,
)
from gnn_l2o.training.trainer import TrainingRun

__all__ = [
    "DEFAULT_ARCHITECTURE",
    "DEFAULT_STAGES",
    "FINE_TUNING_STAGES",
    "LOSSES",
    "PAPER_STAGES",
    "LayerStage",
    "LayerwiseConfig",
    "LayerwiseRun",
    "MetaLoss",
    "Stage",
    "TrainingConfig",
    "TrainingRun",
    "config_of",
    "fine_tuning",
    "is_unrolled",
    "quick_settings",
    "read_layer_stages",
    "read_recipe",
    "read_stages",
    "with_epochs",
    "with_learning_rate",
]
