"""
A torch module, trained over a network
======================================

A module of one's own, trained by ten nodes that keep their data: handwritten digits on a ring.

The digits ship with scikit-learn. Every node holds a tenth of them and talks to its two neighbours only.
``local_steps=4`` would take four steps between two rounds. Run it with ``python examples/train_mlp.py``.
"""

from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy

import gnn_l2o
from gnn_l2o.applications.module_training import Progress, TrainedModule

NODES, TRAINING = 10, 1500


def make_module() -> nn.Module:
    """Return the network that is trained."""
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def train(iterations: int = 300) -> TrainedModule:
    """Train with an optimizer that was trained on small networks, over mini-batches of 32: there is nothing to tune."""
    digits = load_digits()
    images, classes = digits.data / 16, digits.target
    return gnn_l2o.train_module(
        make_module,
        cross_entropy,
        [(images[i:TRAINING:NODES], classes[i:TRAINING:NODES]) for i in range(NODES)],
        "ring",
        optimizer="milodo_mlp",  # or a method: optimizer="dsgt", parameters={"step_size": 0.5, ...}
        batch_size=32,
        iterations=iterations,
        test=(images[TRAINING:], classes[TRAINING:]),
        callback=show,
    )


def show(progress: Progress) -> None:
    """Print how far training is."""
    print(progress)


if __name__ == "__main__":
    train()
