"""
The layer in a PyTorch Geometric model
======================================

``MiLoDoBlock`` inside an ordinary model: who goes with whom in Zachary's karate club.

The graph is real, small and ships with torch_geometric. Each of its 34 members has a very noisy observation of its
group, and half of the members are labelled. The model encodes the observations, then runs a few iterations of a learned
decentralized optimizer, in which every member averages its estimate with those of its neighbours and corrects the
estimate by its own observation. Run it with ``python examples/karate_club.py``.
"""

import torch
import torch.nn.functional as F
from torch import nn
from torch_geometric.datasets import KarateClub
from torch_geometric.nn import Sequential

import gnn_l2o


def make_model(in_features: int, classes: int, iterations: int) -> nn.Module:
    """Return a linear encoder, then so many iterations of MiLoDo on |x - h_i|^2 / 2, h_i the encoding of node i."""
    layers = [
        (nn.Linear(in_features, classes), "x -> x"),
        (gnn_l2o.MiLoDoBlock(iterations), "x, edge_index -> x"),  # pretrained="milodo_gnn" has trained weights
    ]
    return Sequential("x, edge_index", layers)


def accuracy(iterations: int, epochs: int = 60, draws: int = 3) -> float:
    """Train models of so many iterations; return their mean accuracy on the members without a label.

    Args:
        iterations: of the optimizer inside the model.
        epochs: of training.
        draws: of the observations and weights. Half the club has 17 members, so a single draw says little.
    """
    return sum(_accuracy(iterations, epochs, seed) for seed in range(draws)) / draws


def _accuracy(iterations: int, epochs: int, seed: int) -> float:
    torch.manual_seed(seed)
    data = KarateClub()[0]
    observations = F.one_hot(data.y).float() + torch.randn(data.num_nodes, 4)
    labelled = torch.arange(data.num_nodes) % 2 == 0
    model = make_model(in_features=4, classes=4, iterations=iterations)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03, weight_decay=5e-3)
    for _ in range(epochs):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(observations, data.edge_index)[labelled], data.y[labelled])
        torch.autograd.backward(loss)
        optimizer.step()
    with torch.no_grad():
        right = model(observations, data.edge_index).argmax(dim=1) == data.y
    return float(right[~labelled].float().mean())


if __name__ == "__main__":
    print(f"accuracy without communication: {accuracy(0):.2f}, after four iterations: {accuracy(4):.2f}")
