"""Small linear models whose nodes hold given numbers of samples."""

import numpy as np

from gnn_l2o.problems import LeastSquares, LinearModel, Logistic
from gnn_l2o.problems.regularizers import L1, Regularizer

L1_WEIGHT = 0.2
SAMPLES = (8, 8, 8, 8, 8, 8)


def model(
    *counts: int, kind: type[LinearModel] = LeastSquares, regularizer: Regularizer | None = None, seed: int = 0
) -> LinearModel:
    random = np.random.default_rng(seed)
    features, truth = [random.standard_normal((m, 3)) for m in counts], random.standard_normal(3)
    targets = [a @ truth + random.standard_normal(len(a)) for a in features]
    if kind is Logistic:
        targets = [1.0 * (t > 0) for t in targets]
    return kind.from_nodes(features, targets, regularizer or L1(L1_WEIGHT))
