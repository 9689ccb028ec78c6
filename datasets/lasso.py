"""LASSO with a sparse truth."""

import numpy as np

from gnn_l2o.network import Network
from gnn_l2o.problems import LeastSquares
from gnn_l2o.regularizers import L1


def sample(
    network: Network, *, seed: int, features: int = 300, samples: int = 10, l1_weight: float = 0.1, noise: float = 0.1
) -> LeastSquares:
    r"""LASSO with a sparse truth and noise (He et al. 2024, E.2)."""
    generator = np.random.default_rng(seed)
    nodes = network.num_nodes
    a = generator.standard_normal((nodes * samples, features))
    truth = generator.standard_normal(features)
    truth[np.argsort(np.abs(truth))[: 3 * features // 4]] = 0
    b = a @ truth + noise * generator.standard_normal(nodes * samples)
    return LeastSquares.from_nodes(np.split(a, nodes), np.split(b, nodes), L1(l1_weight))
