"""The message-passing layers, for use in any PyTorch Geometric model."""

from gnn_l2o.nn.edge_preconditioner import EdgePreconditioner
from gnn_l2o.nn.lstm import CoordinateLSTM
from gnn_l2o.nn.milodo_conv import MiLoDoConv
from gnn_l2o.nn.node_preconditioner import NodePreconditioner
from gnn_l2o.nn.preconditioner import Preconditioner
from gnn_l2o.nn.rule import Coefficients, CoefficientSource, GraphFacts, MiLoDoState, milodo_step

__all__ = [
    "CoefficientSource",
    "Coefficients",
    "CoordinateLSTM",
    "EdgePreconditioner",
    "GraphFacts",
    "MiLoDoConv",
    "MiLoDoState",
    "NodePreconditioner",
    "Preconditioner",
    "milodo_step",
]
