"""Progress of diabetes: real data that comes with scikit-learn."""

import dataclasses

import numpy as np

from gnn_l2o._utils.optional import optional
from gnn_l2o.data.splits import hand_out, penalty, standardized
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import LeastSquares


def sample(
    network: Network,
    *,
    seed: int,
    samples: int | None = None,
    l1_weight: float = 0.01,
    l2_weight: float = 0.0,
    imbalance: float = 0.0,
    raw: bool = False,
) -> LeastSquares:
    r"""Diabetes (real, 442 samples of 10 features): LASSO of the progress of the disease within a year.

    :math:`f_i(x) = \frac{1}{2 m_i} \|A_i x - b_i\|^2`, without an intercept, and
    :math:`r(x) = \lambda_1 \|x\|_1 + \frac{\lambda_2}{2} \|x\|^2`. The target b is standardized. Source: Efron, Hastie,
    Johnstone, Tibshirani 2004.

    Args:
        network: whose nodes hold the data.
        seed: of the draws; different seeds hand out the samples differently.
        samples: of a node on average; by default all 442 samples are handed out.
        l1_weight: lambda_1.
        l2_weight: lambda_2.
        imbalance: of the nodes' sample counts, see :func:`gnn_l2o.data.splits.node_sizes`.
        raw: leave the features as they were measured, with means from 1.5 to 189, instead of standardizing them. The
            condition number of the Hessian is then 1e6 instead of 500.
    """
    with optional("data"):
        from sklearn.datasets import load_diabetes
    data, target = load_diabetes(return_X_y=True, scaled=False)
    data, target = data if raw else standardized(data), standardized(target)
    parts = hand_out(target, network.num_nodes, samples, imbalance, np.random.default_rng(seed))
    problem = LeastSquares.from_nodes(
        [data[p] for p in parts], [target[p] for p in parts], penalty(l1_weight, l2_weight)
    )
    return dataclasses.replace(problem, source="diabetes data that comes with scikit-learn")
