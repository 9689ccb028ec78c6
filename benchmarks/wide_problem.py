"""Memory and time of the optimizer on 100 nodes with 30,000 coordinates each.

Run it with ``python benchmarks/wide_problem.py``, optionally with ``--topology erdos_renyi``. The output is the peak
memory of the process, data included, and the elapsed seconds: before the first iteration, while the networks run, and
afterwards.
"""

import argparse
import resource
import time

import torch

from gnn_l2o import plugins
from gnn_l2o.algorithms.driver import run
from gnn_l2o.graph.build import build_network
from gnn_l2o.learned import load_model

SHOWN = (0, 1, 12, 13, 100)


@torch.no_grad()
def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--topology", default="ring")
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--features", type=int, default=30_000)
    given = parser.parse_args()
    network = build_network(given.topology, given.nodes, seed=1)
    problem = plugins.load("dataset", f"lasso:features={given.features},samples=10")(network, seed=1)
    model = load_model("milodo_gnn").to(dtype=torch.float64)
    x0 = torch.zeros(problem.num_nodes, problem.dim, dtype=torch.float64)
    begin = time.perf_counter()
    for iteration, _ in enumerate(run(model, problem, network, x0)):
        if iteration in SHOWN:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # Linux counts in kilobytes
            print(f"iteration {iteration:4}: {time.perf_counter() - begin:6.1f} s, {peak:5.2f} GB", flush=True)
        if iteration == SHOWN[-1]:
            break


if __name__ == "__main__":
    main()
