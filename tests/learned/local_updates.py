"""Learned local updates of every kind, quadratic problems at a lone node, and what updates make of them."""

from itertools import islice
from typing import Any

import torch
from torch import Tensor

from gnn_l2o import plugins
from gnn_l2o.algorithms.driver import run
from gnn_l2o.graph.build import build_network
from gnn_l2o.graph.network import Network
from gnn_l2o.learned import L2ODMArchitecture, L2OScaleArchitecture, LocalUpdateArchitecture, RNNPropArchitecture
from gnn_l2o.problems import LeastSquares, Problem
from gnn_l2o.testing.learned import random_algorithm

ONE = build_network("path", 1)
SHAPES = ((2, 3), (1,), (3,))  # d = 10
RECURRENT: dict[str, LocalUpdateArchitecture[Any]] = {
    "dm": L2ODMArchitecture(),
    "dm raw": L2ODMArchitecture(inputs="raw"),
    "dm preserving zero": L2ODMArchitecture(zero_preserving=True),
    "rnnprop": RNNPropArchitecture(),
    "rnnprop preserving zero": RNNPropArchitecture(zero_preserving=True),
}
SCALES: dict[str, LocalUpdateArchitecture[Any]] = {
    "scale": L2OScaleArchitecture(),
    "preserving zero": L2OScaleArchitecture(zero_preserving=True),
    "diffused": L2OScaleArchitecture(wrapper="diffused"),
    "jacobian": L2OScaleArchitecture(update_first=0.1, update_last=0.5),
}


def quadratic(seed: int = 0, network: Network = ONE) -> LeastSquares:
    return plugins.load("dataset", "quadratic")(network, seed=seed)


def trajectory(algorithm: Any, problem: Problem, network: Network, x0: Tensor, steps: int) -> list[Tensor]:
    with torch.no_grad():
        return [state.x for state in islice(run(algorithm, problem, network, x0), steps + 1)]


def drawn_update(architecture: L2OScaleArchitecture | None = None) -> Any:
    architecture = architecture or L2OScaleArchitecture()
    return architecture.make_update(random_algorithm(architecture).weights)


def deltas(update: Any, gradients: Tensor, shapes: tuple[tuple[int, ...], ...] = SHAPES) -> Tensor:
    """Return what an update makes of gradients ``(K, N, d)``, in the same form."""
    x = torch.zeros_like(gradients[0])
    memory, found = update.init(x, shapes), []
    with torch.no_grad():
        for g in gradients:
            delta, memory = update.delta(g, x, memory)
            found.append(delta)
    return torch.stack(found)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
