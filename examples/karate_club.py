"""MiLoDoConv inside an ordinary PyTorch Geometric model: who goes with whom in Zachary's karate club.

The graph is real, small and ships with torch_geometric. Each of its 34 members gives a very noisy hint of the group
it belongs to, and half of them are labelled. The model encodes the hints, then lets the members talk: a few iterations
of a learned decentralized optimizer, in which each node pulls the common estimate towards its own evidence. Run it with
``python examples/karate_club.py``.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.datasets import KarateClub

from gnn_l2o.nn import MiLoDoConv


class Model(nn.Module):
    """A linear encoder, then ``iterations`` of MiLoDo on the losses |x - h_i|^2 / 2, h_i the encoding of node i."""

    def __init__(self, in_features: int, classes: int, iterations: int) -> None:
        super().__init__()
        self.encoder = nn.Linear(in_features, classes)
        self.conv = MiLoDoConv()
        self.iterations = iterations

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        evidence = self.encoder(x)
        state = self.conv.init(evidence, edge_index, gradient=torch.zeros_like(evidence))
        for _ in range(self.iterations):
            state = self.conv(state, edge_index, gradient=state.extrapolated - evidence)
        return state.x


def accuracy(iterations: int, epochs: int = 60) -> float:
    """Train a model that talks for so many iterations; return its accuracy on the members without a label."""
    torch.manual_seed(0)
    data = KarateClub()[0]
    hints = F.one_hot(data.y).float() + torch.randn(data.num_nodes, 4)
    labelled = torch.arange(data.num_nodes) % 2 == 0
    model = Model(in_features=4, classes=4, iterations=iterations)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03, weight_decay=5e-3)
    for _ in range(epochs):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(hints, data.edge_index)[labelled], data.y[labelled])
        torch.autograd.backward(loss)
        optimizer.step()
    with torch.no_grad():
        right = model(hints, data.edge_index).argmax(dim=1) == data.y
    return float(right[~labelled].float().mean())


if __name__ == "__main__":
    print(
        f"accuracy without talking: {accuracy(iterations=0):.2f}, after four iterations: {accuracy(iterations=4):.2f}"
    )
