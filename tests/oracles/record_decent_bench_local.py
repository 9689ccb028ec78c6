"""Record iterates of decent-bench's methods with local work, run as a black box, in decent_bench_local.npz.

Runs in the environment of record_decent_bench.py, next to it:

    oracle/bin/python tests/oracles/record_decent_bench_local.py

The nodes start at zero, where their conventions for other variables agree with ours.
"""

from pathlib import Path

import decent_array.interoperability as iop  # type: ignore[import-not-found]
import networkx as nx
import numpy as np
from decent_bench.agents import Agent  # type: ignore[import-not-found]
from decent_bench.algorithms import p2p  # type: ignore[import-not-found]
from decent_bench.costs import LinearRegressionCost  # type: ignore[import-not-found]
from decent_bench.networks import P2PNetwork  # type: ignore[import-not-found]

NODES, SAMPLES, DIM = 6, 5, 3
ITERATIONS = 30
ALGORITHMS = {
    "ADMM": {"penalty": 0.4, "relaxation": 0.7},
    "LT_ADMM": {"num_local_steps": 4, "step_size": 0.1, "aux_step_size": 0.15, "penalty": 0.4, "relaxation": 0.5},
    "LED": {"num_local_steps": 4, "step_size": 0.1, "aux_step_size": 0.25},
    "ProxSkip": {"step_size": 0.1, "aux_step_size": 1.0, "comm_probability": 1.0, "chi": 1.0},
}


def iterates(name: str, features: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Run one algorithm on a ring and return the iterates of all nodes: (iterations + 1, nodes, coordinates)."""
    agents = []
    for a, b in zip(features, targets, strict=True):
        samples = [(iop.from_numpy(row), iop.from_numpy(np.array([target]))) for row, target in zip(a, b, strict=True)]
        agents.append(Agent(LinearRegressionCost(samples)))
    network = P2PNetwork(nx.cycle_graph(NODES), agents)
    if name == "LED":  # ProxSkip averages with (I + W) / 2 itself
        network.weights = iop.from_numpy((np.eye(NODES) + iop.to_numpy(network.weights)) / 2)
    x0 = np.zeros((NODES, DIM))
    start = {agent: iop.from_numpy(x) for agent, x in zip(agents, x0, strict=True)}
    trajectory = [x0]

    def record(_: int) -> None:
        trajectory.append(np.stack([iop.to_numpy(agent.x) for agent in agents]))

    algorithm = getattr(p2p, name)(**ALGORITHMS[name], x0=start)
    algorithm.run(network, iterations=ITERATIONS, progress_callback=record)
    return np.stack(trajectory)


def main() -> None:
    random = np.random.default_rng(1)
    features = random.standard_normal((NODES, SAMPLES, DIM)).round(3)
    targets = random.standard_normal((NODES, SAMPLES)).round(3)
    iop.set_backend("numpy")
    recorded = {name: iterates(name, features, targets) for name in ALGORITHMS}
    path = Path(__file__).with_name("decent_bench_local.npz")
    np.savez_compressed(path, features=features, targets=targets, **recorded)


if __name__ == "__main__":
    main()
