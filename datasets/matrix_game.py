"""Bilinear games, around whose saddle points gradients only turn."""

import numpy as np

from gnn_l2o._utils.errors import InputError
from gnn_l2o.data.splits import require_at_least
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import QuadraticMinMax
from gnn_l2o.problems.games import matrix_game


def sample(network: Network, *, seed: int, actions: int = 5, density: float = 0.5) -> QuadraticMinMax:
    r"""Matrix game (synthetic, min-max): F_i = u' A_i v without constraints.

    A problem of Shen et al. (2021, AAAI, "Learning a minimax optimizer") with data of its own at every node: entries of
    A_i are uniform in [0.5, 1] with probability ``density``, else 0. All nodes start at the same u and v, uniform in
    [-0.5, 0.5]. (0, 0) is a saddle point; where the mean of the A_i is singular, as a third of the matrices of one node
    are, so is every point of a space, which the distance from saddle points takes into account.

    Args:
        network: whose nodes hold the data.
        seed: of the draws and of the initial point.
        actions: length of u and of v.
        density: the probability that an entry is not 0.
    """
    require_at_least(1, actions=actions)
    if not 0 < density <= 1:
        raise InputError(f"density is a probability above 0, got {density:g}")
    generator = np.random.default_rng(seed)
    u, v = generator.uniform(-0.5, 0.5, (2, actions))
    shape = (network.num_nodes, actions, actions)
    matrices = generator.uniform(0.5, 1, shape) * (generator.uniform(size=shape) < density)
    return QuadraticMinMax.from_nodes(matrix_game, list(matrices), x0={"u": u, "v": v})
