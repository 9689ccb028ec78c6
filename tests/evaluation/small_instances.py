"""A small instance with its optimum, and what is measured on it."""

from types import SimpleNamespace
from typing import Any

import networkx as nx
import numpy as np
import torch
from torch import Tensor

from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.tunable import Tunable
from gnn_l2o.evaluation import Instance, Metrics, Trace, measure
from gnn_l2o.evaluation.metrics import ConsensusError, OptimalityGap, has_diverged
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import LeastSquares, solve
from gnn_l2o.problems.regularizers import L1, Regularizer


def instance(
    seed: int = 0, *, nodes: int = 5, dim: int = 4, uneven: float = 1.0, regularizer: Regularizer | None = None
) -> Instance:
    """Return least squares on a ring, the first node's features times a factor."""
    random = np.random.default_rng(seed)
    features = random.standard_normal((nodes, 6, dim))
    features[0] *= uneven
    targets = features @ random.standard_normal(dim) + random.standard_normal((nodes, 6))
    problem = LeastSquares.from_nodes(list(features), list(targets), regularizer or L1(0.1))
    solution = solve(problem)
    return Instance(problem, Network.from_networkx(nx.cycle_graph(nodes)), solution.x, solution.value)


def metrics(on: Instance, dtype: torch.dtype = torch.float64) -> Metrics:
    return Metrics(on.reference(dtype), [OptimalityGap(), ConsensusError()])


def traced(algorithm: Algorithm[Any], on: Instance, iterations: int, **rules: Any) -> Trace:
    options = {"metrics": metrics(on), "iterations": iterations, **rules}
    return measure(algorithm, on.problem, on.network, on.x0, **options)


def measured(on: Instance, x: Tensor, dtype: torch.dtype = torch.float64) -> SimpleNamespace:
    values = metrics(on, dtype)(x)
    gap = values["optimality_gap"]
    diverged = has_diverged(on.reference(dtype), x, gap)
    return SimpleNamespace(gap=gap, consensus=values["consensus_error"], diverged=diverged)


def relative(method: type[Tunable[Any]], on: Instance, step: float) -> Tunable[Any]:
    return method.from_setting(on.problem, {"step_size": step})
