"""Measuring algorithms: runs, tuned baselines, results, figures and tables."""

from gnn_l2o.evaluation.experiment import evaluate
from gnn_l2o.evaluation.figures import save_figures
from gnn_l2o.evaluation.instances import Instance
from gnn_l2o.evaluation.metrics import METRICS, Metric, Metrics
from gnn_l2o.evaluation.objective_metrics import Excess, Objective, TrainingLoss
from gnn_l2o.evaluation.plan import Plan
from gnn_l2o.evaluation.ranking_tables import ranking
from gnn_l2o.evaluation.record import Case, Run
from gnn_l2o.evaluation.recovery_metrics import NMSE, NMSEInDecibels
from gnn_l2o.evaluation.reference import Reference
from gnn_l2o.evaluation.results import Results
from gnn_l2o.evaluation.runner import Trace, measure
from gnn_l2o.evaluation.stream_metrics import StreamLoss
from gnn_l2o.evaluation.summary_table import summary
from gnn_l2o.evaluation.swarm_metrics import BestParticle
from gnn_l2o.evaluation.tables import Table
from gnn_l2o.evaluation.tuning import Tuning, tune

__all__ = [
    "METRICS",
    "NMSE",
    "BestParticle",
    "Case",
    "Excess",
    "Instance",
    "Metric",
    "Metrics",
    "NMSEInDecibels",
    "Objective",
    "Plan",
    "Reference",
    "Results",
    "Run",
    "StreamLoss",
    "Table",
    "Trace",
    "TrainingLoss",
    "Tuning",
    "evaluate",
    "measure",
    "ranking",
    "save_figures",
    "summary",
    "tune",
]
