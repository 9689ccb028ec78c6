"""Small handwritten digits: real data that comes with scikit-learn."""

import dataclasses

import numpy as np

from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.optional import optional
from gnn_l2o.data.splits import hand_out, penalty, standardized
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Logistic


def sample(
    network: Network,
    *,
    seed: int,
    digit: int = 8,
    samples: int | None = None,
    l1_weight: float = 0.01,
    l2_weight: float = 0.0,
    alpha: float | None = None,
    imbalance: float = 0.0,
    raw: bool = False,
) -> Logistic:
    r"""Digits (real, 1,797 images of 8 x 8 pixels): logistic regression of one digit against all others.

    f_i is the mean cross-entropy, without an intercept, over 64 standardized pixels, of which those that are the same
    in all images become 0; :math:`r(x) = \lambda_1 \|x\|_1 + \frac{\lambda_2}{2} \|x\|^2`. A tenth of the labels is 1.
    Source: Alpaydin, Kaynak 1998, UCI Machine Learning Repository, the test part.

    Args:
        network: whose nodes hold the data.
        seed: of the draws; different seeds hand out the samples differently.
        digit: 0 to 9, whose images have the label 1.
        samples: of a node on average; by default all 1,797 samples are handed out.
        l1_weight: lambda_1.
        l2_weight: lambda_2.
        alpha: split by labels, see :func:`gnn_l2o.data.splits.split`.
        imbalance: of the nodes' sample counts, see :func:`gnn_l2o.data.splits.node_sizes`.
        raw: leave the pixels as they are, from 0 to 16, instead of standardizing them.
    """
    if not 0 <= digit <= 9:
        raise InputError(f"digit must be 0 to 9, got {digit}")
    with optional("data"):
        from sklearn.datasets import load_digits
    data, digits = load_digits(return_X_y=True)
    data, labels = data if raw else standardized(data), (digits == digit).astype(np.float64)
    parts = hand_out(labels, network.num_nodes, samples, imbalance, np.random.default_rng(seed), alpha)
    problem = Logistic.from_nodes([data[p] for p in parts], [labels[p] for p in parts], penalty(l1_weight, l2_weight))
    return dataclasses.replace(problem, source="digits that come with scikit-learn")
