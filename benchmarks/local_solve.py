"""What an iteration of ADMM with exact local solves costs, compared with Prox-ED in the same process.

Run it with ``python benchmarks/local_solve.py``. An entry is the time of the first 100 iterations of a run, over 100;
the two methods run in turn, and the ratio is the median of the pairs' ratios.
"""

import statistics
from typing import Any

import torch

from gnn_l2o import plugins
from gnn_l2o.algorithms.driver import Driver
from gnn_l2o.graph.build import build_network
from gnn_l2o.handcrafted import ADMM, ProxED

ITERATIONS = 100


def run_seconds(method: type[Any], dataset: str, setting: dict[str, float]) -> tuple[float, float]:
    """Run a method on ten nodes; return the seconds and the gradients inside local solves of an iteration."""
    network = build_network("ring", 10)
    problem = plugins.load("dataset", dataset)(network, seed=0)
    x0 = torch.zeros(problem.num_nodes, problem.dim, dtype=torch.float64)
    driver = Driver(method.from_setting(problem, setting), problem, network, x0)
    driver.advance(ITERATIONS)
    return driver.seconds / ITERATIONS, driver.cost.solve_gradients / ITERATIONS


@torch.no_grad()
def main(pairs: int = 9) -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    print("dataset                            Prox-ED      ADMM   ratio   gradients a solve")
    for dataset in ("lasso:features=300,samples=10", "logistic:features=50,samples=100"):
        times, gradients = [], 0.0
        for _ in range(pairs):
            prox_ed, _ = run_seconds(ProxED, dataset, {"step_size": 1.0})
            admm, gradients = run_seconds(ADMM, dataset, {"penalty": 0.4, "relaxation": 0.97})
            times.append((prox_ed, admm))
        first, second = (1e6 * statistics.median(column) for column in zip(*times, strict=True))
        ratio = statistics.median(b / a for a, b in times)
        print(f"{dataset:32} {first:7.0f} us {second:6.0f} us {ratio:7.1f} {gradients:8.1f}")


if __name__ == "__main__":
    main()
