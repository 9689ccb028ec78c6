"""Logistic regression with a sparse truth."""

import numpy as np

from gnn_l2o.data.splits import flip, linear_model, node_factors, node_sizes, penalty, require_at_least, split
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Logistic


def sample(
    network: Network,
    *,
    seed: int,
    features: int = 50,
    samples: int = 100,
    l1_weight: float = 0.1,
    l2_weight: float = 0.0,
    correlation: float = 0.0,
    column_scales: float = 0.0,
    spikes: int = 0,
    degrees_of_freedom: float = 0.0,
    node_scales: float = 0.0,
    label_noise: float = 0.0,
    alpha: float | None = None,
    imbalance: float = 0.0,
) -> Logistic:
    r"""Logistic regression (synthetic): the label of a is 1 where a'x* >= 0, a standard normal, x* three quarters zero.

    f_i is the mean cross-entropy and :math:`r(x) = \lambda_1 \|x\|_1 + \frac{\lambda_2}{2} \|x\|^2` (He et al. 2024,
    E.2, which has :math:`\lambda_2 = 0`). Without label noise the labels are separable: with both weights 0
    there is no solution.

    Args:
        network: whose nodes hold the data.
        seed: of the draws.
        features: d.
        samples: m, of a node on average.
        l1_weight: lambda_1.
        l2_weight: lambda_2.
        correlation: of neighbouring features, see :func:`gnn_l2o.data.splits.linear_model`.
        column_scales: decades by which features differ in scale each way, see there.
        spikes: directions in which the features vary ten times as much, see there.
        degrees_of_freedom: of the t distribution of the features, above 2, see there; 0: they are normal.
        node_scales: decades by which the nodes' features differ in scale each way, see
            :func:`gnn_l2o.data.splits.node_factors`.
        label_noise: the share of labels that are flipped, between 0 and 0.5.
        alpha: split by labels, see :func:`gnn_l2o.data.splits.split`; by default no node differs from another.
        imbalance: of the nodes' sample counts, see :func:`gnn_l2o.data.splits.node_sizes`.
    """
    require_at_least(1, features=features, samples=samples)
    generator = np.random.default_rng(seed)
    total = network.num_nodes * samples
    a, truth = linear_model(total, features, generator, correlation, column_scales, spikes, degrees_of_freedom)
    labels = flip((a @ truth >= 0).astype(np.float64), label_noise, generator)
    sizes = node_sizes(total, network.num_nodes, imbalance, generator)
    in_order = np.split(np.arange(total), np.cumsum(sizes)[:-1])
    parts = in_order if alpha is None else split(labels, sizes, generator, alpha)
    scales = node_factors(network.num_nodes, node_scales, generator)
    return Logistic.from_nodes(
        [c * a[p] for c, p in zip(scales, parts, strict=True)],
        [labels[p] for p in parts],
        penalty(l1_weight, l2_weight),
    )
