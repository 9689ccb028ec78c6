"""Linear regression."""

import numpy as np

from gnn_l2o.data.splits import linear_model, node_factors, node_sizes, require_at_least
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import LeastSquares, Zero


def sample(
    network: Network,
    *,
    seed: int,
    features: int = 50,
    samples: int = 10,
    noise: float = 0.1,
    correlation: float = 0.0,
    column_scales: float = 0.0,
    spikes: int = 0,
    degrees_of_freedom: float = 0.0,
    node_scales: float = 0.0,
    imbalance: float = 0.0,
) -> LeastSquares:
    r"""Linear regression (synthetic): the data of lasso, without a regularizer.

    :math:`f_i(x) = \frac{1}{2 m_i} \|A_i x - b_i\|^2` and r = 0, by default of the size of LASSO(10, 50, 10, 0)
    (He et al. 2024, Fig. 11). With fewer samples on all nodes together than features the solution is not unique.

    Args:
        network: whose nodes hold the data.
        seed: of the draws.
        features: d.
        samples: m, of a node on average.
        noise: standard deviation of the noise in b.
        correlation: of neighbouring features, see :func:`gnn_l2o.data.splits.linear_model`.
        column_scales: decades by which features differ in scale each way, see there.
        spikes: directions in which the features vary ten times as much, see there.
        degrees_of_freedom: of the t distribution of the features, above 2, see there; 0: they are normal.
        node_scales: decades by which the nodes' features and targets differ in scale each way, see
            :func:`gnn_l2o.data.splits.node_factors`.
        imbalance: of the nodes' sample counts, see :func:`gnn_l2o.data.splits.node_sizes`.
    """
    require_at_least(1, features=features, samples=samples)
    generator = np.random.default_rng(seed)
    total = network.num_nodes * samples
    a, truth = linear_model(total, features, generator, correlation, column_scales, spikes, degrees_of_freedom)
    b = a @ truth + noise * generator.standard_normal(total)
    ends = np.cumsum(node_sizes(total, network.num_nodes, imbalance, generator))[:-1]
    scales = node_factors(network.num_nodes, node_scales, generator)
    return LeastSquares.from_nodes(
        [c * part for c, part in zip(scales, np.split(a, ends), strict=True)],
        [c * part for c, part in zip(scales, np.split(b, ends), strict=True)],
        Zero(),
    )
