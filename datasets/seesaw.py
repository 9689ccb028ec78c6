"""A min-max problem that is not convex, with many stationary points."""

import numpy as np

from gnn_l2o.graph.network import Network
from gnn_l2o.problems.games import Seesaw, seesaw

SMALLEST = 0.1  # of a and b: at 0 the payoff does not depend on the players


def sample(network: Network, *, seed: int) -> Seesaw:
    r"""Seesaw (synthetic, min-max): F_i = -b_i v sin(a pi u), u and v numbers.

    A problem of Shen et al. (2021, AAAI, "Learning a minimax optimizer"), over nodes: a, uniform in [0, 5], is one
    number, since otherwise the nodes would have only u = 0 in common; every node has its own b_i, uniform in [0, 2].
    (Both are at least 0.1.) All nodes start at the same u and v, uniform in [-0.5, 0.5]. The field vanishes where v = 0
    and a u is a whole number.

    Args:
        network: whose nodes hold the data.
        seed: of the draws and of the initial point.
    """
    generator = np.random.default_rng(seed)
    u, v = generator.uniform(-0.5, 0.5, (2, 1))
    a = max(SMALLEST, generator.uniform(0, 5))
    own = np.maximum(SMALLEST, generator.uniform(0, 2, network.num_nodes))
    return Seesaw.from_nodes(seesaw, [(a, b) for b in own], x0={"u": u, "v": v})
