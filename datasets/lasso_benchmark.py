"""The LASSO of the Open-L2O benchmark: one dictionary, whose rows the nodes hold."""

import numpy as np

from gnn_l2o._utils.errors import InputError
from gnn_l2o.data.splits import node_sizes, require_at_least
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import L1, LeastSquares


def sample(
    network: Network,
    *,
    seed: int,
    features: int = 50,
    samples: int = 25,
    l1_weight: float = 0.005,
    sparsity: float = 0.1,
    dictionary: int | None = None,
) -> LeastSquares:
    r"""LASSO benchmark (synthetic): ||A x - b||^2 / 2 + lambda ||x||_1, the rows of A split over nodes.

    Open-L2O's (Chen et al. 2022, JMLR 23, arXiv:2103.12828): A is normal with columns of norm 1,
    :math:`b = A x^\star` without noise, the entries of x* normal with probability 0.1 and else 0. Node i holds the rows
    A_i and :math:`f_i(x) = \frac N2 \|A_i x - b_i\|^2`, so that the mean of the f_i is the benchmark's loss over any
    number of nodes. Of ten features, every third x* is 0, and then the run starts at the solution.

    Args:
        network: whose nodes hold the rows, at most as many nodes as rows.
        seed: of the draws.
        features: columns of A; the benchmark has 10 and 50.
        samples: rows of A; the benchmark has 5 and 25.
        l1_weight: lambda.
        sparsity: the probability that an entry of x* is not 0.
        dictionary: the seed of A, for problems that share it; by default A is drawn with the rest.
    """
    require_at_least(1, features=features, samples=samples)
    if not 0 < sparsity <= 1:
        raise InputError(f"sparsity is a probability above 0, got {sparsity:g}")
    generator = np.random.default_rng(seed)
    columns = generator if dictionary is None else np.random.default_rng(dictionary)
    a = columns.standard_normal((samples, features))
    a /= np.linalg.norm(a, axis=0)
    truth = (generator.uniform(size=features) < sparsity) * generator.standard_normal(features)
    ends = np.cumsum(node_sizes(samples, network.num_nodes, 0.0, generator))[:-1]
    parts, targets = np.split(a, ends), np.split(a @ truth, ends)
    # Least squares has the factor 1 / (2 rows) at a node that holds so many rows.
    scales = [np.sqrt(network.num_nodes * len(part)) for part in parts]
    return LeastSquares.from_nodes(
        [c * part for c, part in zip(scales, parts, strict=True)],
        [c * target for c, target in zip(scales, targets, strict=True)],
        L1(l1_weight),
    )
