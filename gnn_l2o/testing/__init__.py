"""Contract tests for what you add: each raises an AssertionError that says what is violated.

One function for each kind of addition. All that is built in passes the same tests.
"""

from gnn_l2o.testing.content import check_dataset, check_topology
from gnn_l2o.testing.hidden_network import HiddenNetwork
from gnn_l2o.testing.learned import check_learned_optimizer
from gnn_l2o.testing.measures import check_loss, check_metric
from gnn_l2o.testing.methods import check_method
from gnn_l2o.testing.regularizer import check_regularizer
from gnn_l2o.testing.stopping import check_stopping_rule

__all__ = [
    "HiddenNetwork",
    "check_dataset",
    "check_learned_optimizer",
    "check_loss",
    "check_method",
    "check_metric",
    "check_regularizer",
    "check_stopping_rule",
    "check_topology",
]
