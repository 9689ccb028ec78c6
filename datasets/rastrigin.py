"""Functions with many local minima."""

import dataclasses

import numpy as np
import torch

from gnn_l2o._utils.errors import InputError
from gnn_l2o.data.splits import require_at_least
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Rastrigin, rastrigin


def sample(network: Network, *, seed: int, features: int = 10, height: float = 10.0, shared: bool = False) -> Rastrigin:
    r"""Rastrigin (synthetic, not convex): quadratics with waves, and with many local minima.

    :math:`f_i(x) = \frac12 \|A_i x - b_i\|^2 - \alpha c_i^\top \cos(2 \pi x) + \alpha d`, the optimizees of Cao et
    al. (2019, arXiv:1911.03787) and Open-L2O, with data of its own at every node: A_i square, all entries of A_i, b_i
    and c_i standard normal. All nodes start at the same point, standard normal as well. r = 0. For a swarm, all nodes
    have the same function (``shared``), and each starts at a point of its own.
    The objective is measured at the average of the nodes against a lower bound, which is not attained, so no method
    comes near an optimality gap of 0.

    Args:
        network: whose nodes hold the data.
        seed: of the draws and of the initial point.
        features: d; Open-L2O has 2 and 10.
        height: alpha, of the waves.
        shared: whether f_i is the same at all nodes, and x_i^0 is not.
    """
    require_at_least(1, features=features)
    if not height > 0:
        raise InputError(f"height must be positive, got {height:g}")
    generator = np.random.default_rng(seed)
    start = generator.standard_normal(features)
    nodes = [
        (
            generator.standard_normal((features, features)),
            generator.standard_normal(features),
            generator.standard_normal(features),
            height,
        )
        for _ in range(1 if shared else network.num_nodes)
    ]
    if not shared:
        return Rastrigin.from_nodes(rastrigin, nodes, x0=start)
    problem = Rastrigin.from_nodes(rastrigin, nodes * network.num_nodes, x0=start)
    starts = generator.standard_normal((network.num_nodes - 1, features))
    return dataclasses.replace(problem, initial=torch.from_numpy(np.vstack([start, starts])))
