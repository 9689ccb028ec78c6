"""
Your own objective
==================

Robust regression with few coefficients, by ten nodes that keep their data.

Any differentiable torch function of x and a node's data will do; here it is the Huber loss, which no outlier among the
targets can dominate. Run it with ``python examples/own_objective.py``.
"""

import numpy as np
from torch.nn.functional import huber_loss

import gnn_l2o

random = np.random.default_rng(0)
truth = np.where(np.arange(20) < 5, 1.0, 0.0)
features = [random.standard_normal((30, 20)) for _ in range(10)]
targets = [a @ truth + 0.1 * random.standard_t(1, size=30) for a in features]  # with outliers

result = gnn_l2o.minimize(
    lambda x, a, b: huber_loss(a @ x, b),
    list(zip(features, targets, strict=True)),
    "ring",
    regularizer=gnn_l2o.problems.L1(0.02),
)

if __name__ == "__main__":
    print(result.message)
    print(f"x: {result.x.numpy().round(2)}")
    print(f"every node sent {result.vectors} vectors to each neighbour; in all {result.bytes / 1e6:.1f} MB were sent")
