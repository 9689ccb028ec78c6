"""Small learned baselines of every kind, and problems for them."""

from typing import Any

import networkx as nx
import pytest
import torch
from torch import nn

from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.graph.network import Network
from gnn_l2o.learned import (
    ARCHITECTURES,
    Architecture,
    BaseRulesArchitecture,
    GenericL2OArchitecture,
    L2ODMArchitecture,
    L2OScaleArchitecture,
    L2OSwarmArchitecture,
    LearnedScalarsArchitecture,
    LocalMiLoDoArchitecture,
    LPGExtraArchitecture,
    MatrixMiLoDoArchitecture,
    MiLoDoArchitecture,
    PerNodeArchitecture,
    RNNPropArchitecture,
    TwinL2OArchitecture,
)
from gnn_l2o.learned.unrolled import UNROLLED
from gnn_l2o.problems import LeastSquares, Problem
from gnn_l2o.problems.regularizers import L1, Regularizer, Zero

# Degrees 1 to 4, so that the networks of most nodes are padded.
IRREGULAR = nx.Graph([(0, 1), (0, 2), (1, 2), (2, 3), (2, 4), (4, 5)])
SMALL: dict[str, Architecture[Any]] = {
    "milodo": MiLoDoArchitecture(hidden_features=4, warmup=3),
    "matrix_milodo": MatrixMiLoDoArchitecture(hidden_features=4),
    "per_node": PerNodeArchitecture(hidden_features=4),
    "generic_l2o": GenericL2OArchitecture(hidden_features=4),
    "base_rules": BaseRulesArchitecture(hidden_features=6),
    "lpg_extra": LPGExtraArchitecture(depth=12),
    "learned_scalars": LearnedScalarsArchitecture(warmup=3),
    "local_milodo": LocalMiLoDoArchitecture(hidden_features=4, warmup=3),
    "l2o_dm": L2ODMArchitecture(hidden_features=4),
    "l2o_scale": L2OScaleArchitecture(coordinate_features=4, array_features=3, whole_features=5),
    "l2o_swarm": L2OSwarmArchitecture(hidden_features=4),
    "rnnprop": RNNPropArchitecture(hidden_features=4),
    "twin_l2o": TwinL2OArchitecture(hidden_features=4),
}
SMOOTH = ("base_rules", "matrix_milodo", "twin_l2o")  # run without a regularizer only
UNROLLED_KINDS = {kind.name for kind in UNROLLED}  # tests/learned/small_unrolled.py has these
KINDS = pytest.mark.parametrize("kind", [name for name in ARCHITECTURES.names() if name not in UNROLLED_KINDS])


def least_squares(network: Network, regularizer: Regularizer, dim: int = 4) -> LeastSquares:
    nodes = network.num_nodes
    return LeastSquares.from_nodes(list(torch.randn(nodes, 5, dim)), list(torch.randn(nodes, 5)), regularizer)


def regularizer_for(kind: str) -> Regularizer:
    return Zero() if kind in SMOOTH else L1(0.05)


def built(kind: str, problem: Problem, network: Network) -> tuple[Architecture[Any], nn.Module, Algorithm[Any]]:
    """Return a rival with weights that are neither all drawn nor all silent."""
    architecture = SMALL[kind].bind(problem, network)
    weights = architecture.build()
    architecture.initialize(weights, architecture.inits[0], None)
    with torch.no_grad():
        for parameter in weights.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return architecture, weights, architecture.algorithm(weights)
