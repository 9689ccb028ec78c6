"""States after some iterations."""

from typing import Any

import torch
from torch import Tensor

from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.driver import run
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Problem


@torch.no_grad()
def after(algorithm: Algorithm[Any], problem: Problem, network: Network, steps: int, x0: Tensor | None = None) -> Any:
    x0 = torch.zeros(problem.num_nodes, problem.dim) if x0 is None else x0
    states = run(algorithm, problem, network, x0)
    for _ in range(steps):
        next(states)
    return next(states)
