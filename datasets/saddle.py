"""A min-max problem that is strongly convex in one variable and strongly concave in the other."""

import numpy as np

from gnn_l2o.graph.network import Network
from gnn_l2o.problems import QuadraticMinMax
from gnn_l2o.problems.games import saddle


def sample(network: Network, *, seed: int) -> QuadraticMinMax:
    r"""Saddle (synthetic, min-max): F_i = a_i u^2 - b_i v^2, u and v numbers.

    A problem of Shen et al. (2021, AAAI, "Learning a minimax optimizer") with data of its own at every node: a_i and
    b_i are uniform in [0.9, 1]. All nodes start at the same u and v, uniform in [-0.5, 0.5]. The saddle point is
    (0, 0).

    Args:
        network: whose nodes hold the data.
        seed: of the draws and of the initial point.
    """
    generator = np.random.default_rng(seed)
    u, v = generator.uniform(-0.5, 0.5, (2, 1))
    nodes = generator.uniform(0.9, 1, (network.num_nodes, 2))
    return QuadraticMinMax.from_nodes(saddle, [tuple(node) for node in nodes], x0={"u": u, "v": v})
