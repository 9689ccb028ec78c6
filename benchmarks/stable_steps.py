"""How long constant steps may be: the evidence for measuring p_i in units of the c_i of ``GraphFacts.max_step_size``.

MiLoDo's rule runs with p_i = s c_i and nearly full averaging for several s on every family of graphs: without momentum,
so too in cycles of three steps (both with a fifth of the largest dual gain), and with a momentum of 0.95 (with a
twentieth). Printed are the iterations to a relative gap of 1e-3, or ``X`` where the run ended above the gap it began
with. Run it with ``python benchmarks/stable_steps.py``; it takes a few minutes.
"""

import argparse
from collections.abc import Sequence

import torch

from gnn_l2o import plugins
from gnn_l2o.graph.build import build_network
from gnn_l2o.graph.network import Network
from gnn_l2o.learned import ConstantCoefficients, MiLoDo, RecomputeSchedule
from gnn_l2o.learned.milodo import chebyshev_step_factors
from gnn_l2o.nn.node_preconditioner import MAX_MOMENTUM
from gnn_l2o.problems import solve

FAMILIES = (
    *("ring", "path", "grid", "tree", "star", "complete", "exponential", "erdos_renyi", "barabasi_albert"),
    "regular:degree=3",
)
SHARES = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.15, 1.3, 1.5)
LARGER = (
    "hypercube",
    "regular:degree=4",
    "erdos_renyi",
    "exponential",
)  # where c_i differ most from (1 + 1 / w_ii) / L_i


@torch.no_grad()
def iterations_to(
    tolerance: float,
    dataset: str,
    topology: str,
    nodes: int,
    way: str,
    shares: Sequence[float],
    horizon: int,
) -> list[str]:
    """Return, for every share, the iterations to the tolerance, ``-`` if it is not reached, ``X`` on divergence."""
    network = build_network(topology, nodes, seed=5)
    problem = plugins.load("dataset", dataset)(network, seed=5)
    optimum = solve(problem).value
    start = problem.objective(torch.zeros(1, problem.dim, dtype=torch.float64))
    many, networks = problem.repeat(len(shares)), Network.concatenate([network] * len(shares))
    share = torch.tensor(shares, dtype=torch.float64).repeat_interleave(network.num_nodes).unsqueeze(1)
    if way == "momentum 0.95":
        source = ConstantCoefficients(share, 0.05, 1.0, 0.95)
        algorithm = MiLoDo(source, RecomputeSchedule(warmup=1), momentum_bound=MAX_MOMENTUM)
    else:
        cycle = chebyshev_step_factors(3 if way == "cycles of 3" else 1)
        algorithm = MiLoDo(ConstantCoefficients(share, 0.2, 0.99), RecomputeSchedule(warmup=1), step_factors=cycle)
    state = algorithm.init(many, networks, torch.zeros(many.num_nodes, many.dim, dtype=torch.float64))
    reached = ["-"] * len(shares)
    gap = torch.ones(len(shares), dtype=torch.float64)
    for k in range(1, horizon + 1):
        state = algorithm.step(many, networks, state)
        if k % 5 == 0:
            gap = (many.objective(many.average(state.x)) - optimum) / (start - optimum)
            reached = [str(k) if r == "-" and g < tolerance else r for r, g in zip(reached, gap.tolist(), strict=True)]
    return [r if g < 1 else "X" for r, g in zip(reached, gap.nan_to_num(torch.inf).tolist(), strict=True)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    torch.set_num_threads(parser.parse_args().threads)
    cells = [(topology, 10) for topology in FAMILIES] + [(topology, 32) for topology in LARGER]
    for way in ("no momentum", "cycles of 3", "momentum 0.95"):
        for dataset, horizon in (("lasso:features=300", 1200), ("lasso:features=60,samples=20", 500)):
            print(f"\n{f'{dataset}, {way}':46}" + "".join(f"{share:6}" for share in SHARES))
            for topology, nodes in cells:
                found = iterations_to(1e-3, dataset, topology, nodes, way, SHARES, horizon)
                print(f"{f'{topology}, {nodes} nodes':46}" + "".join(f"{cell:>6}" for cell in found), flush=True)


if __name__ == "__main__":
    main()
