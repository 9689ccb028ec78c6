"""Small problems and graphs for the handcrafted methods, runs of them, and the parts of dense recursions."""

from collections.abc import Callable
from itertools import groupby
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor

from gnn_l2o.algorithms.driver import run
from gnn_l2o.algorithms.tunable import Choice, Range, Setting, Tunable
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import HANDCRAFTED
from gnn_l2o.problems import LeastSquares, Problem
from gnn_l2o.problems.regularizers import L1, Regularizer, Zero

GRAPHS = {
    "ring": nx.cycle_graph(6),
    "star": nx.star_graph(5),
    "erdos_renyi": nx.gnp_random_graph(6, 0.6, seed=1),
}
METHODS = pytest.mark.parametrize("method", HANDCRAFTED.values(), ids=HANDCRAFTED.keys())
Gradient = Callable[[np.ndarray], np.ndarray]


def least_squares(
    nodes: int, regularizer: Regularizer, *, dim: int = 4, samples: int = 8, seed: int = 0
) -> LeastSquares:
    random = np.random.default_rng(seed)
    features = random.standard_normal((nodes, samples, dim))
    targets = features @ random.standard_normal(dim) + random.standard_normal((nodes, samples))
    return LeastSquares.from_nodes(list(features), list(targets), regularizer)


def smoothness(problem: Problem) -> float:
    return float(problem.smoothness().max())


def iterates(method: Tunable[Any], problem: Problem, network: Network, x0: Tensor, count: int) -> list[Tensor]:
    states = run(method, problem, network, x0)
    return [next(states).x for _ in range(count + 1)]


def batches(method: type[Tunable[Any]], budget: int) -> list[list[Setting]]:
    """The settings of the method's grid, those together that can run side by side."""
    choices = [name for name, axis in method.grid.items() if isinstance(axis, Choice)]

    def chosen(setting: Setting) -> list[float]:
        return [setting[name] for name in choices]

    return [list(alike) for _, alike in groupby(sorted(method.settings(budget), key=chosen), key=chosen)]


def side_by_side(method: type[Tunable[Any]], settings: list[Setting], problem: Problem) -> Tunable[Any]:
    """The method with a setting for each copy of the problem, ``problem`` being all copies."""

    def values(name: str, axis: Range | Choice) -> float | Tensor:
        if isinstance(axis, Choice):
            return settings[0][name]
        column = torch.tensor([setting[name] for setting in settings])
        return column.repeat_interleave(problem.num_nodes // len(settings)).unsqueeze(1)

    return method.from_setting(problem, {name: values(name, axis) for name, axis in method.grid.items()})


def metropolis(graph: nx.Graph) -> np.ndarray:
    w = np.zeros((len(graph), len(graph)))
    for i, j in graph.edges:
        w[i, j] = w[j, i] = 1 / (1 + max(graph.degree[i], graph.degree[j]))
    return w + np.diag(1 - w.sum(axis=1))


def dense_gradient(problem: LeastSquares) -> Gradient:
    a, b = problem.features.numpy(), problem.targets.numpy()
    return lambda x: np.stack([a_i.T @ (a_i @ x_i - b_i) / len(b_i) for a_i, b_i, x_i in zip(a, b, x, strict=True)])


def dense_prox(regularizer: Regularizer) -> Callable[[np.ndarray, float], np.ndarray]:
    if isinstance(regularizer, Zero):
        return lambda v, a: v
    assert isinstance(regularizer, L1)
    return lambda v, a: np.sign(v) * np.maximum(np.abs(v) - a * regularizer.weight, 0)
