"""Which constant step sizes are stable: why p_i is measured in units of c_i, the maximal stable step size of a node.

MiLoDo's rule runs with p_i = s c_i, nearly full averaging and constant dual step sizes, for several s and on every
family of graphs: without momentum and with a Chebyshev schedule of three step sizes (both with a fifth of the maximal
dual step size), and with momentum 0.95 (with a twentieth). The tables hold the iterations to a relative optimality gap
of 1e-3 on one instance. ``python benchmarks/stable_steps.py`` writes ``docs/tables/stable_steps.md`` in a few minutes.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from gnn_l2o import plugins
from gnn_l2o.graph.build import build_network
from gnn_l2o.graph.network import Network
from gnn_l2o.learned import ConstantCoefficients, MiLoDo, RecomputeSchedule
from gnn_l2o.learned.schedule import chebyshev_step_factors
from gnn_l2o.nn.step_size import MAX_MOMENTUM
from gnn_l2o.problems import solve

TABLE_FILE = Path(__file__).parent.parent / "docs" / "tables" / "stable_steps.md"
TOLERANCE = 1e-3
FRACTIONS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.15, 1.3, 1.5)  # s
PLAIN, CHEBYSHEV, MOMENTUM = "no momentum", "Chebyshev schedule of 3 step sizes", "momentum 0.95"
SETTINGS = tuple(
    (schedule, dataset, iterations)
    for schedule in (PLAIN, CHEBYSHEV, MOMENTUM)
    for dataset, iterations in (("lasso:features=300", 1200), ("lasso:features=60,samples=20", 500))
)
SMALL = (
    *("ring", "path", "grid", "tree", "star", "complete", "exponential", "erdos_renyi", "barabasi_albert"),
    "regular:degree=3",
)
LARGE = ("hypercube", "regular:degree=4", "erdos_renyi", "exponential")  # c_i differs from (1 + 1 / w_ii) / L_i
GRAPHS = (*((topology, 10) for topology in SMALL), *((topology, 32) for topology in LARGE))

INTRODUCTION = f"""\
# Iterations with constant step sizes

Written by `python benchmarks/stable_steps.py`. Every node takes the constant step size p_i = s c_i, where c_i is the
maximal stable step size of [optimizer.md](../optimizer.md). The entries are the iterations to a relative optimality gap
of {TOLERANCE:g} on one instance, measured at every fifth iteration. `X`: the run diverged; `-`: it did not reach
{TOLERANCE:g}.
"""

Table = Mapping[tuple[str, int], Sequence[str]]  # topology and nodes to an entry for every s


@torch.no_grad()
def iterations_to_tolerance(
    schedule: str, dataset: str, topology: str, nodes: int, iterations: int, fractions: Sequence[float] = FRACTIONS
) -> list[str]:
    """Return, for every s, the iterations to the tolerance, ``-`` if it is not reached, ``X`` on divergence."""
    network = build_network(topology, nodes, seed=5)
    problem = plugins.load("dataset", dataset)(network, seed=5)
    optimum = solve(problem).value
    initial_objective = problem.objective(torch.zeros(1, problem.dim, dtype=torch.float64))
    many, networks = problem.repeat(len(fractions)), Network.concatenate([network] * len(fractions))
    fraction = torch.tensor(fractions, dtype=torch.float64).repeat_interleave(network.num_nodes).unsqueeze(1)
    if schedule == MOMENTUM:
        source = ConstantCoefficients(fraction, 0.05, 1.0, 0.95, MAX_MOMENTUM)
        algorithm = MiLoDo(source, RecomputeSchedule(warmup=1), safeguarded=False)
    else:
        factors = chebyshev_step_factors(3 if schedule == CHEBYSHEV else 1)
        source = ConstantCoefficients(fraction, 0.2, 0.99)
        algorithm = MiLoDo(source, RecomputeSchedule(warmup=1), step_factors=factors, safeguarded=False)
    state = algorithm.init(many, networks, torch.zeros(many.num_nodes, many.dim, dtype=torch.float64))
    entries = ["-"] * len(fractions)
    gap = torch.ones(len(fractions), dtype=torch.float64)
    for k in range(1, iterations + 1):
        state = algorithm.step(many, networks, state)
        if k % 5 == 0:
            gap = (many.objective(many.average(state.x)) - optimum) / (initial_objective - optimum)
            entries = [str(k) if e == "-" and g < TOLERANCE else e for e, g in zip(entries, gap.tolist(), strict=True)]
    return [e if g < 1 else "X" for e, g in zip(entries, gap.nan_to_num(torch.inf).tolist(), strict=True)]


def markdown(tables: Mapping[tuple[str, str], Table], fractions: Sequence[float] = FRACTIONS) -> str:
    """Return the page: on how many graphs every s is stable, then a table for each schedule and dataset."""
    summary = [
        [f"`{dataset}`, {schedule}", *_stable(table, len(fractions))] for (schedule, dataset), table in tables.items()
    ]
    graphs = len(next(iter(tables.values())))
    parts = [
        INTRODUCTION,
        f"Number of graphs, of {graphs}, on which the run did not diverge:\n",
        _table(fractions, summary),
    ]
    for (schedule, dataset), table in tables.items():
        rows = [[f"{topology}, {nodes} nodes", *entries] for (topology, nodes), entries in table.items()]
        parts += [f"## `{dataset}`, {schedule}\n", _table(fractions, rows)]
    return "\n".join(parts)


def _stable(table: Table, columns: int) -> list[str]:
    return [str(sum(entries[column] != "X" for entries in table.values())) for column in range(columns)]


def _table(fractions: Sequence[float], rows: Sequence[Sequence[str]]) -> str:
    lines = [["s", *(f"{fraction:g}" for fraction in fractions)], ["---", *["---:"] * len(fractions)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--output", type=Path, default=TABLE_FILE, help="Markdown file to write")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    tables: dict[tuple[str, str], Table] = {}
    for schedule, dataset, iterations in SETTINGS:
        tables[schedule, dataset] = {
            graph: iterations_to_tolerance(schedule, dataset, *graph, iterations) for graph in GRAPHS
        }
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(markdown(tables), encoding="utf-8")


if __name__ == "__main__":
    main()
