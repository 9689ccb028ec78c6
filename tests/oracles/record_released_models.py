"""Record the iterates of all released models, for ``tests/learned/test_released_models.py``.

The file beside this script was recorded when each model was released; record a model again, by its name, only when it
is retrained.
"""

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import torch

from gnn_l2o.algorithms.driver import run
from gnn_l2o.graph.network import Network
from gnn_l2o.learned import available_models, load_model
from gnn_l2o.problems import MLP, LeastSquares, Logistic, NeuralNetwork, Problem, SparseRecovery
from gnn_l2o.problems.neural_module import initialized
from gnn_l2o.problems.regularizers import L1, Zero
from gnn_l2o.problems.sparse_signal import SparseSignal, draw_dictionary

RECORD = Path(__file__).with_name("released_models.npz")
ITERATIONS = (1, 2, 5, 12, 13, 30, 100)
PERTURBATION = 1e-12  # which is above what rounding errors of many iterations add up to


def tolerance(iteration: int) -> float:
    """Return by how much iterates may differ from their record, relative to the largest number of it."""
    return 1e-9 if iteration <= 30 else 1e-6


def samples(nodes: int, count: int, dim: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features whose scale differs from node to node, and targets from a sparse truth."""
    random = np.random.default_rng(seed)
    features = random.standard_normal((nodes, count, dim)) * (1 + np.arange(nodes)[:, None, None] / nodes)
    truth = random.standard_normal(dim) * (random.random(dim) < 0.5)
    return features, features @ truth + 0.1 * random.standard_normal((nodes, count))


def cases() -> Iterator[tuple[str, Problem, Network]]:
    """Problems and networks, by name; the models bound to a graph run on its ring of ten nodes."""
    ring, star = Network.from_networkx(nx.cycle_graph(10)), Network.from_networkx(nx.star_graph(5))
    random_graph = Network.from_networkx(nx.gnp_random_graph(8, 0.5, seed=3))
    a, b = samples(10, 4, 10, seed=0)
    yield "linear_ring", LeastSquares.from_nodes(list(a), list(b), Zero()), ring
    yield "lasso_ring", LeastSquares.from_nodes(list(a), list(b), L1(0.1)), ring
    small, large = samples(6, 5, 7, seed=1), samples(8, 3, 7, seed=2)
    pair = [LeastSquares.from_nodes(list(f), list(t), L1(0.05)) for f, t in (small, large)]
    yield "lasso_batch", LeastSquares.concatenate(pair), Network.concatenate([star, random_graph])
    labels = (small[1] > 0).astype(float)
    yield "logistic_star", Logistic.from_nodes(list(small[0]), list(labels), L1(0.01)), star
    random = np.random.default_rng(5)
    yield "recovery_ring", sparse_recovery(None), ring
    yield "recovery_ill", sparse_recovery(50.0), ring
    shards = [(random.standard_normal((12, 6)), random.integers(3, size=12)) for _ in range(6)]
    yield "mlp_star", NeuralNetwork.from_nodes(double_mlp(), torch.nn.functional.cross_entropy, shards), star


def sparse_recovery(condition_number: float | None) -> SparseRecovery:
    """A signal over ten nodes, measured with a dictionary of the dataset, to which weights are bound."""
    matrix, signal = draw_dictionary(64, 128, np.random.default_rng([0, 1]), condition_number), SparseSignal()
    target, b = signal.draw(matrix, 1, np.random.default_rng(6))
    return SparseRecovery.of(matrix, b[0], target[0], 10, L1(0.005), signal=signal)


def double_mlp() -> torch.nn.Module:
    """A small network whose parameters are drawn in double precision."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        return initialized(lambda: MLP((6, 5, 3)), 0)
    finally:
        torch.set_default_dtype(before)


@torch.no_grad()
def iterates(name: str, problem: Problem, network: Network, perturbation: float = 0.0) -> np.ndarray | None:
    """Return x at all of ``ITERATIONS``, ``(iterations, N, d)``; ``None`` where the model does not apply.

    Args:
        name: the model.
        problem: what it runs on.
        network: where.
        perturbation: of the weights, relative.
    """
    model: Any = load_model(name).to(dtype=torch.float64)
    problem = problem.to(dtype=torch.float64)
    if model.refusal(problem, network) is not None:
        return None
    random = torch.Generator().manual_seed(0)
    for weight in model.weights.parameters():
        weight *= 1 + perturbation * torch.randn(weight.shape, generator=random, dtype=torch.float64)
    states = run(model, problem, network, problem.initial_point().to(torch.float64))
    last = min(max(ITERATIONS), model.depth or max(ITERATIONS))
    return np.stack([s.x.numpy() for k, s in enumerate(islice(states, last + 1)) if k in ITERATIONS])


def reproducible(name: str, problem: Problem, network: Network) -> np.ndarray | None:
    """Return x as :func:`iterates` does, without the last iterations if rounding decides them.

    Networks may amplify rounding errors, which differ between processors, until nothing else is left.
    """
    x = iterates(name, problem, network)
    if x is None:
        return None
    moved = np.abs(iterates(name, problem, network, PERTURBATION) - x).max(axis=(1, 2)) / np.abs(x).max()
    unstable = [i for i, (k, size) in enumerate(zip(ITERATIONS, moved, strict=False)) if size > 0.1 * tolerance(k)]
    return x[: min(unstable, default=len(x))]


def main(names: list[str]) -> int:
    """Record these models, by default those without a record, and keep the records of the others."""
    with np.load(RECORD) as file:
        record: dict[str, Any] = dict(file)
    names = names or sorted(set(available_models()) - {key.split("/")[1] for key in record})
    found = {f"{case}/{name}": reproducible(name, p, n) for case, p, n in cases() for name in names}
    record.update({key: x for key, x in found.items() if x is not None})
    np.savez_compressed(RECORD, **record)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
