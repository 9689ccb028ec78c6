"""A short training of a small RNNProp."""

from gnn_l2o.learned import RNNPropArchitecture
from gnn_l2o.training import TrainingConfig
from gnn_l2o.training.stages import Stage

CONFIG = TrainingConfig(
    dataset=("quadratic:features=4",),
    architecture=RNNPropArchitecture(hidden_features=4),
    topology=("path",),
    nodes=(1,),
    problems=6,
    validation_problems=3,
    validation_iterations=8,
    batch_size=6,
    loss="objective",
    precision="double",
    stages=(Stage(1e-2, 2, 4, 2), Stage(1e-2, 3, 6, 2)),
)
