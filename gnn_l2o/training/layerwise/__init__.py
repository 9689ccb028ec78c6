"""Training unrolled networks layer by layer, on signals that they are to recover."""

from gnn_l2o.training.layerwise.config import LayerStage, LayerwiseConfig
from gnn_l2o.training.layerwise.run import LayerwiseRun

__all__ = ["LayerStage", "LayerwiseConfig", "LayerwiseRun"]
