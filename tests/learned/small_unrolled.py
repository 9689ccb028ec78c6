"""Small unrolled networks that recover signals, at one node and over rings."""

import math
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor

from gnn_l2o.algorithms.driver import Driver
from gnn_l2o.graph.network import Network
from gnn_l2o.learned import ARCHITECTURES
from gnn_l2o.learned.unrolled import UNROLLED, Unrolled, UnrolledArchitecture
from gnn_l2o.problems import L1, SparseRecovery
from gnn_l2o.problems.sparse_signal import SparseSignal, draw_dictionary

M, N_FEATURES, LAYERS = 16, 28, 6
LONE = Network.from_edges([], 1)
RING = Network.from_networkx(nx.cycle_graph(8))
NAMES = [kind.name for kind in UNROLLED]
KINDS = pytest.mark.parametrize("kind", NAMES)
EXCHANGING = [name for name in NAMES if name not in ("lista", "lfista")]


def problem_on(
    nodes: int, seed: int = 0, dictionary: int = 5, size: tuple[int, int] = (M, N_FEATURES)
) -> SparseRecovery:
    matrix, signal = draw_dictionary(*size, np.random.default_rng(dictionary)), SparseSignal(0.15)
    target, b = signal.draw(matrix, 1, np.random.default_rng(seed))
    return SparseRecovery.of(matrix, b[0], target[0], nodes, L1(0.01), signal=signal)


def network_of(kind: str, *, spread: float = 0.0, **settings: Any) -> Unrolled:
    """A network that begins at its classical algorithm, with noise on its weights."""
    architecture = ARCHITECTURES[kind](depth=LAYERS, **settings).bind(problem_on(1), LONE)
    assert isinstance(architecture, UnrolledArchitecture)
    weights = architecture.build().double()
    architecture.emit_classical(weights, problem_on(1).dictionary)
    with torch.no_grad():
        for parameter in weights.parameters():
            parameter.add_(spread * torch.randn_like(parameter))
    return architecture.algorithm(weights)


@torch.no_grad()
def after(network: Any, problem: SparseRecovery, graph: Network, layers: int = LAYERS) -> Tensor:
    driver = Driver(network, problem, graph, torch.zeros(problem.num_nodes, problem.dim))
    driver.advance(layers)
    return driver.x


def soft(v: Tensor, t: Tensor | float) -> Tensor:
    return v.sign() * (v.abs() - t).relu()


def selecting(v: Tensor, t: Tensor, layer: int) -> tuple[Tensor, Tensor]:
    """Soft thresholding of a row where the largest entries pass unshrunk, one entry at a time; and which passed."""
    percent = min(1.2 * (layer + 1), 13.0)
    count = math.ceil(percent / 100 * v.numel())
    order = sorted(range(v.numel()), key=lambda j: -abs(float(v[0, j])))
    found, passed = soft(v, t), torch.zeros_like(v)
    for j in order[:count]:
        if v[0, j].abs() > t:
            found[0, j], passed[0, j] = v[0, j], 1.0
    return found, passed
