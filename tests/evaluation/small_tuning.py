"""A small instance to tune on, runs without a race, and trials whose outcome is written down."""

from typing import Any

import networkx as nx
import numpy as np
import torch

from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.tunable import Tunable
from gnn_l2o.evaluation import Instance, Metrics, Trace, measure
from gnn_l2o.evaluation.metrics import OptimalityGap
from gnn_l2o.evaluation.tuning_race import Trial
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import LeastSquares, solve
from gnn_l2o.problems.regularizers import L1


def instance(seed: int = 0, *, graph: nx.Graph = nx.cycle_graph(5), uneven: float = 1.0) -> Instance:  # noqa: B008
    random = np.random.default_rng(seed)
    nodes = len(graph)
    features = random.standard_normal((nodes, 6, 4))
    features[0] *= uneven
    targets = features @ random.standard_normal(4) + random.standard_normal((nodes, 6))
    problem = LeastSquares.from_nodes(list(features), list(targets), L1(0.1))
    solution = solve(problem)
    return Instance(problem, Network.from_networkx(graph), solution.x, solution.value)


def traced(algorithm: Algorithm[Any], on: Instance, iterations: int) -> Trace:
    metrics = Metrics(on.reference(torch.float64), [OptimalityGap()])
    return measure(algorithm, on.problem, on.network, on.x0, metrics=metrics, iterations=iterations)


def run_alone(
    method: type[Tunable[Any]], setting: dict[str, float], on: list[Instance], iterations: int, tolerance: float = 1e-4
) -> list[float]:
    """Return the rounds to the tolerance on every instance, each run by itself and to the end."""
    needed = []
    for part in on:
        trace = traced(method.from_setting(part.problem, setting), part, iterations)
        reached = trace.reached(tolerance)
        needed.append(np.inf if reached is None else trace.spent[reached].rounds)
    return needed


def trial(step: float, rounds: list[float], gap: list[float] | None = None, *, stopped: bool = False) -> Trial:
    gaps = [1e-5 if np.isfinite(r) else 1e-2 for r in rounds] if gap is None else gap
    return Trial({"step_size": step}, tuple(rounds), tuple(gaps), stopped)


INF = float("inf")
