"""What an iteration costs once the coefficients are frozen, compared with Prox-ED in the same process.

Run it with ``python benchmarks/frozen_iteration.py``. Every entry is the median over blocks of iterations that the two
methods run in turn; the ratio is the median of the blocks' ratios.
"""

import statistics
import time
from collections.abc import Iterator

import torch

from gnn_l2o import plugins
from gnn_l2o.algorithms.driver import run
from gnn_l2o.graph.build import build_network
from gnn_l2o.handcrafted import ProxED
from gnn_l2o.learned import load_model


def block_seconds(states: Iterator[object], iterations: int) -> float:
    """Take some iterations; return the seconds for one."""
    begin = time.perf_counter()
    for _ in range(iterations):
        next(states)
    return (time.perf_counter() - begin) / iterations


@torch.no_grad()
def main(blocks: int = 30) -> None:
    """Measure and print."""
    torch.set_num_threads(2)
    model = load_model("milodo_gnn").to(dtype=torch.float64)
    print("topology     nodes      d   Prox-ED    learned   ratio")
    for topology, nodes, dim, iterations in [
        ("ring", 10, 300, 200),
        ("erdos_renyi", 10, 300, 200),
        ("exponential", 10, 300, 200),
        ("ring", 100, 300, 50),
        ("erdos_renyi", 100, 300, 50),
        ("ring", 10, 3000, 50),
    ]:
        network = build_network(topology, nodes)
        problem = plugins.load("dataset", f"lasso:features={dim}")(network, seed=0)
        x0 = torch.zeros(problem.num_nodes, problem.dim, dtype=torch.float64)
        step_size = float(1 / problem.smoothness().max())
        runs: list[Iterator[object]] = [
            run(ProxED(step_size), problem, network, x0),
            run(model, problem, network, x0),
        ]
        for states in runs:
            block_seconds(states, 50)  # the learned optimizer recomputes its coefficients in the first of these
        times = [[block_seconds(states, iterations) for states in runs] for _ in range(blocks)]
        prox_ed, learned = (statistics.median(column) for column in zip(*times, strict=True))
        ratio = statistics.median(b / a for a, b in times)
        print(f"{topology:12} {nodes:5d} {dim:6d} {prox_ed * 1e6:7.0f} us {learned * 1e6:7.0f} us {ratio:7.2f}")


if __name__ == "__main__":
    main()
