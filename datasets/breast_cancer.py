"""Breast cancer in Wisconsin: real data that comes with scikit-learn."""

import dataclasses

import numpy as np

from gnn_l2o._utils.optional import optional
from gnn_l2o.data.splits import hand_out, penalty, standardized
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Logistic


def sample(
    network: Network,
    *,
    seed: int,
    samples: int | None = None,
    l1_weight: float = 0.01,
    l2_weight: float = 0.0,
    alpha: float | None = None,
    imbalance: float = 0.0,
    raw: bool = False,
) -> Logistic:
    r"""Breast cancer (real, 569 samples of 30 features): logistic regression of benign against malignant tumours.

    f_i is the mean cross-entropy, without an intercept, over standardized features;
    :math:`r(x) = \lambda_1 \|x\|_1 + \frac{\lambda_2}{2} \|x\|^2`. Source: Wolberg, Mangasarian, Street, Street 1993,
    UCI Machine Learning Repository.

    Args:
        network: whose nodes hold the data.
        seed: of the draws; different seeds hand out the samples differently.
        samples: of a node on average; by default all 569 samples are handed out.
        l1_weight: lambda_1.
        l2_weight: lambda_2.
        alpha: split by labels, see :func:`gnn_l2o.data.splits.split`.
        imbalance: of the nodes' sample counts, see :func:`gnn_l2o.data.splits.node_sizes`.
        raw: leave the features as they were measured, with means from 0.004 to 881, instead of standardizing them. The
            condition number of the Hessian at the solution is then 1e12 instead of 1e5.
    """
    with optional("data"):
        from sklearn.datasets import load_breast_cancer
    data, labels = load_breast_cancer(return_X_y=True)
    data = data if raw else standardized(data)
    parts = hand_out(labels, network.num_nodes, samples, imbalance, np.random.default_rng(seed), alpha)
    problem = Logistic.from_nodes([data[p] for p in parts], [labels[p] for p in parts], penalty(l1_weight, l2_weight))
    return dataclasses.replace(problem, source="breast cancer data that comes with scikit-learn")
