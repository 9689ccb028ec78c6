"""
A training loop of your own
===========================

Decentralized training of a module on handwritten digits, over a ring, until the test loss is small enough.

What :func:`gnn_l2o.train_module` does, written out, so that anything can happen between two iterations. Run it with
``python examples/train_loop.py``.
"""

from sklearn.datasets import load_digits
from torch import from_numpy, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import TensorDataset

import gnn_l2o

NODES, TRAINING = 10, 1500


def train(goal: float = 0.4, iterations: int = 300) -> gnn_l2o.ModuleSession:
    """Train until the loss on test samples is below ``goal``, at most ``iterations``; print how far it is."""
    digits = load_digits()
    images, classes = from_numpy(digits.data / 16), from_numpy(digits.target)
    session = gnn_l2o.ModuleSession(
        nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)),
        cross_entropy,
        [TensorDataset(images[i:TRAINING:NODES], classes[i:TRAINING:NODES]) for i in range(NODES)],
        "ring",
        batch_size=32,
        iterations=iterations,
        test=TensorDataset(images[TRAINING:], classes[TRAINING:]),
    )
    for iteration in session:
        if iteration % 20 == 0:
            progress = session.measure()
            print(progress)
            if progress.test_loss is not None and progress.test_loss < goal:
                break
    return session


if __name__ == "__main__":
    module = train().module()  # that of the average; session.node_modules() are the nodes'
    print(module)
