"""Quadratics without structure, on which learned optimizers are trained first."""

import numpy as np

from gnn_l2o.data.splits import require_at_least
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import LeastSquares, Zero


def sample(network: Network, *, seed: int, features: int = 10, samples: int | None = None) -> LeastSquares:
    r"""Quadratics (synthetic): f_i = ||W_i x - y_i||^2, all entries of W_i and y_i uniform in [0, 1].

    The optimizees of Open-L2O (Chen et al. 2022, JMLR 23, arXiv:2103.12828), with data of its own at every node; in
    Andrychowicz et al. (2016, arXiv:1606.04474) the entries are normal. At zero, where runs start, the mean of f_i is
    d/3. One node with a square W_i has the minimum 0; over several nodes the minimum is positive. r = 0.

    Args:
        network: whose nodes hold the data.
        seed: of the draws.
        features: d.
        samples: rows of every W_i; by default d.
    """
    rows = features if samples is None else samples
    require_at_least(1, features=features, samples=rows)
    generator = np.random.default_rng(seed)
    scale = np.sqrt(2 * rows)  # least squares has the factor 1 / (2 rows)
    features_of = generator.uniform(size=(network.num_nodes, rows, features))
    targets_of = generator.uniform(size=(network.num_nodes, rows))
    return LeastSquares.from_nodes(list(scale * features_of), list(scale * targets_of), Zero())
