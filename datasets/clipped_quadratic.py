"""A simple function beside which RNNProp is trained."""

import numpy as np

from gnn_l2o._utils.errors import InputError
from gnn_l2o.data.splits import require_at_least
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Differentiable
from gnn_l2o.problems.clipped_quadratic import clipped_quadratic


def sample(network: Network, *, seed: int, features: int = 20, height: float = 10.0) -> Differentiable:
    r"""Clipped quadratic (synthetic): the mean of min((x_j - a_ij)^2, h) over the coordinates j.

    The convex companion of Lv et al. (2017, ICML, arXiv:1703.03633): in a mixture with other problems it keeps a
    learned optimizer from forgetting how to go a long way in one direction. It is convex where no term is clipped, as
    on the way from 0, where runs start, to the minimum. The a_ij are uniform in [-1, 1]. r = 0.

    Args:
        network: whose nodes hold the data.
        seed: of the draws.
        features: d.
        height: h, of the plateau.
    """
    require_at_least(1, features=features)
    if not height >= 4:
        raise InputError(f"height must be at least 4, so that the minimum lies on no plateau, got {height:g}")
    centers = np.random.default_rng(seed).uniform(-1, 1, (network.num_nodes, features))
    return Differentiable.from_nodes(clipped_quadratic, [(center, height) for center in centers])
