"""Communication graphs, their mixing matrices, and everything that travels over them."""

from gnn_l2o.graph.build import build_network
from gnn_l2o.graph.directed import DirectedNetwork
from gnn_l2o.graph.mixing import MIXING, mixing_weights
from gnn_l2o.graph.network import Network

__all__ = ["MIXING", "DirectedNetwork", "Network", "build_network", "mixing_weights"]
