"""The message-passing layers, for use in any PyTorch Geometric model."""

from gnn_l2o.nn.coefficient_source import CoefficientSource, Message, SourceCost
from gnn_l2o.nn.coefficients import Coefficients
from gnn_l2o.nn.edge_preconditioner import EdgePreconditioner
from gnn_l2o.nn.facts import GraphFacts
from gnn_l2o.nn.initial_state import initial_state
from gnn_l2o.nn.local_conv import LocalMiLoDoConv
from gnn_l2o.nn.local_rule import initial_local_state, local_step
from gnn_l2o.nn.local_state import LocalState
from gnn_l2o.nn.lstm import CoordinateLSTM
from gnn_l2o.nn.milodo_conv import MiLoDoConv
from gnn_l2o.nn.node_preconditioner import NodePreconditioner
from gnn_l2o.nn.penalty_network import PenaltyNetwork
from gnn_l2o.nn.penalty_source import PenaltySource
from gnn_l2o.nn.preconditioner import Preconditioner
from gnn_l2o.nn.rule import milodo_step
from gnn_l2o.nn.spectrum import Spectrum, graph_spectrum
from gnn_l2o.nn.stability import StabilityBounds, stability_bounds
from gnn_l2o.nn.state import MiLoDoState

__all__ = [
    "CoefficientSource",
    "Coefficients",
    "CoordinateLSTM",
    "EdgePreconditioner",
    "GraphFacts",
    "LocalMiLoDoConv",
    "LocalState",
    "Message",
    "MiLoDoConv",
    "MiLoDoState",
    "NodePreconditioner",
    "PenaltyNetwork",
    "PenaltySource",
    "Preconditioner",
    "SourceCost",
    "Spectrum",
    "StabilityBounds",
    "graph_spectrum",
    "initial_local_state",
    "initial_state",
    "local_step",
    "milodo_step",
    "stability_bounds",
]
