"""What training minimizes: one class a loss, by name in :data:`LOSSES`."""

from gnn_l2o.training.losses.area import Area
from gnn_l2o.training.losses.base import LOSSES, RESOLUTION, MetaLoss, log_spaced, square_spaced
from gnn_l2o.training.losses.last_objective import LastObjective
from gnn_l2o.training.losses.log_area import LogArea, area_above_tolerance
from gnn_l2o.training.losses.log_mean import LogMean
from gnn_l2o.training.losses.log_objective import LogObjective
from gnn_l2o.training.losses.log_optimality_gap import LogOptimalityGap
from gnn_l2o.training.losses.objective import Objective
from gnn_l2o.training.losses.particles import Particles
from gnn_l2o.training.losses.payoff_differences import PayoffDifferences

__all__ = [
    "LOSSES",
    "RESOLUTION",
    "Area",
    "LastObjective",
    "LogArea",
    "LogMean",
    "LogObjective",
    "LogOptimalityGap",
    "MetaLoss",
    "Objective",
    "Particles",
    "PayoffDifferences",
    "area_above_tolerance",
    "log_spaced",
    "square_spaced",
]
