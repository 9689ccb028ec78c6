"""Training an optimizer on a mixture of problems and graphs."""

from gnn_l2o.training.config import (
    DEFAULT_STAGES,
    FINE_TUNING_STAGES,
    PAPER_STAGES,
    Stage,
    TrainingConfig,
    fine_tuning,
    read_recipe,
    read_stages,
)
from gnn_l2o.training.trainer import TrainingRun

__all__ = [
    "DEFAULT_STAGES",
    "FINE_TUNING_STAGES",
    "PAPER_STAGES",
    "Stage",
    "TrainingConfig",
    "TrainingRun",
    "fine_tuning",
    "read_recipe",
    "read_stages",
]
