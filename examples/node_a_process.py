"""Decentralized lasso where every process is one node with data of its own.

On one machine with eight nodes:

    torchrun --nproc-per-node 8 examples/node_a_process.py

On two machines with one node each, on the first and then on the second (10.0.0.1 is the address of the first):

    torchrun --nnodes 2 --node-rank 0 --master-addr 10.0.0.1 --master-port 29500 examples/node_a_process.py
    torchrun --nnodes 2 --node-rank 1 --master-addr 10.0.0.1 --master-port 29500 examples/node_a_process.py
"""

import os
import sys

import networkx as nx
import torch

from gnn_l2o.distributed import minimize
from gnn_l2o.problems import L1


def loss(x: torch.Tensor, features: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the mean squared error of this node."""
    return 0.5 * (features @ x - targets).square().mean()


def main() -> int:
    """Run this node, and print what it found."""
    rank, count = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    generator = torch.Generator().manual_seed(rank)  # stands for the data that only this process has
    features = torch.randn(20, 30, generator=generator, dtype=torch.float64)
    truth = torch.zeros(30, dtype=torch.float64)
    truth[:3] = torch.tensor([1.0, -2.0, 3.0])
    targets = features @ truth + 0.1 * torch.randn(20, generator=generator, dtype=torch.float64)
    network = nx.path_graph(2) if count == 2 else nx.cycle_graph(count)
    try:
        result = minimize(loss, (features, targets), network, regularizer=L1(0.05))
    except ValueError as error:
        print(f"{sys.argv[0]}: error: {error}", file=sys.stderr)
        return 2
    found = ", ".join(f"{value:.3f}" for value in result.nodes[0, :4])
    print(f"node {rank}: x begins with {found}; {result.message}; {result.bytes:,} bytes sent")
    return 0


if __name__ == "__main__":
    sys.exit(main())
