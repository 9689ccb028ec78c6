"""Local updates whose step sizes are learned, and small networks for them."""

from itertools import islice
from typing import Any

import networkx as nx
import torch
from torch import Tensor

from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.driver import run
from gnn_l2o.graph import Network
from gnn_l2o.local_updates import Adam, AdamW, Lion, LocalUpdate, RMSProp, SGDm
from gnn_l2o.problems import Problem
from gnn_l2o.testing.runs import initial_points

STEPS = 40
RING = Network.from_networkx(nx.cycle_graph(5))
ONE_NODE = Network.from_edges([], 1)
KAPPA = 0.1
BASES: dict[str, Any] = {
    "sgdm": SGDm(step_size=0.02, weight_decay=KAPPA),
    "rmsprop": RMSProp(step_size=0.02, weight_decay=KAPPA, epsilon=1e-30),
    "adamw": AdamW(step_size=0.02, weight_decay=KAPPA, epsilon=1e-30),
    "lion": Lion(step_size=0.02, weight_decay=KAPPA),
}
METAS: dict[str, Any] = {
    "adam": Adam(step_size=0.03, epsilon=1e-30),
    "lion": Lion(step_size=0.03),
    "sgd": SGDm(step_size=0.03, momentum=0.0),
}


class Still(LocalUpdate[None]):
    """Moves nothing."""

    def init(self, x0: Tensor, shapes: tuple[tuple[int, ...], ...]) -> None:
        return None

    def delta(self, gradient: Tensor, x: Tensor, memory: None) -> tuple[Tensor, None]:
        return torch.zeros_like(x), None


def states(algorithm: Algorithm[Any], problem: Problem, network: Network, steps: int = STEPS) -> list[Any]:
    x0 = initial_points(problem)
    with torch.no_grad():
        return list(islice(run(algorithm, problem, network, x0), steps + 1))
