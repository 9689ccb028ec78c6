"""MiLoDo with random weights, and small problems and networks for it."""

import torch

from gnn_l2o import plugins
from gnn_l2o.graph.build import build_network
from gnn_l2o.graph.network import Network
from gnn_l2o.learned import MiLoDo, MiLoDoArchitecture
from gnn_l2o.nn import CoordinateLSTM
from gnn_l2o.problems import LeastSquares
from gnn_l2o.problems.regularizers import Regularizer

TOPOLOGIES = [name for name in plugins.available("topology") if name != "from_file" and "directed" not in name]
ARCHITECTURES = [
    MiLoDoArchitecture(parametrization=parametrization, symmetrize=symmetrize, hidden_features=5, warmup=8)
    for parametrization in ("scale_free", "paper")
    for symmetrize in ("even", "mean")
] + [
    MiLoDoArchitecture(accelerated=True, hidden_features=5, warmup=8),
    MiLoDoArchitecture(accelerated=True, hidden_features=5, warmup=8, log_features=False),
    MiLoDoArchitecture(accelerated=True, hidden_features=5, warmup=8, edge_weights="edge"),
]


def network_of(topology: str, nodes: int = 8) -> Network:
    fixed = topology == "real"
    return build_network(topology, None if fixed else nodes, seed=3)


def least_squares(num_nodes: int, regularizer: Regularizer, dim: int = 4, samples: int = 3) -> LeastSquares:
    a, b = torch.randn(num_nodes, samples, dim), torch.randn(num_nodes, samples)
    return LeastSquares.from_nodes(list(a), list(b), regularizer)


def random_optimizer(architecture: MiLoDoArchitecture, spread: float = 1.0) -> MiLoDo:
    """Return an optimizer whose coefficients vary with the node, edge, coordinate and iteration."""
    preconditioner = architecture.build()
    if architecture.parametrization == "paper":
        preconditioner.emit_exact_diffusion(0.05)
    for lstm in (m for m in preconditioner.modules() if isinstance(m, CoordinateLSTM)):
        with torch.no_grad():
            lstm.outer.weight.uniform_(-spread, spread).mul_(0.02 if architecture.parametrization == "paper" else 1.0)
    return architecture.algorithm(preconditioner)
