"""The released models by what they are for."""

from gnn_l2o.learned import available_models
from gnn_l2o.learned.model import model_folder, model_recipe
from gnn_l2o.training import is_unrolled

UNROLLED_MODELS = [name for name in available_models() if is_unrolled(model_recipe(model_folder(name)))]
"""Networks that recover sparse signals, and refuse everything else."""
OPTIMIZERS = [name for name in available_models() if name not in UNROLLED_MODELS]
