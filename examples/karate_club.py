"""MiLoDoConv inside an ordinary PyTorch Geometric model: who goes with whom in Zachary's karate club.

The graph is real, small and ships with torch_geometric. Four of its 34 members are labelled; the model spreads what it
knows of them along the friendships by a few iterations of a learned decentralized optimizer, in which every node pulls
the common estimate towards its own evidence. Run it with ``python examples/karate_club.py``.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.datasets import KarateClub

from gnn_l2o.nn import MiLoDoConv


class Model(nn.Module):
    """A linear encoder, then ``iterations`` of MiLoDo on the losses |x - h_i|^2 / 2, h_i the encoding of node i."""

    def __init__(self, in_features: int, classes: int, iterations: int = 8) -> None:
        super().__init__()
        self.encoder = nn.Linear(in_features, classes)
        self.conv = MiLoDoConv()
        self.iterations = iterations

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        evidence = self.encoder(x)
        state = self.conv.start(evidence, edge_index, gradient=torch.zeros_like(evidence))
        for _ in range(self.iterations):
            state = self.conv(state, edge_index, gradient=state.x - evidence)
        return state.x


def main(epochs: int = 100) -> float:
    """Train the model; return its accuracy on the members that were not labelled."""
    torch.manual_seed(0)
    data: Data = KarateClub()[0]
    model = Model(data.num_features, int(data.y.max()) + 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-3)
    for _ in range(epochs):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(data.x, data.edge_index)[data.train_mask], data.y[data.train_mask])
        torch.autograd.backward(loss)
        optimizer.step()
    with torch.no_grad():
        right = model(data.x, data.edge_index).argmax(dim=1) == data.y
    return float(right[~data.train_mask].float().mean())


if __name__ == "__main__":
    print(f"accuracy on the unlabelled members: {main():.3f}")
