"""Rounds to a tolerance where the exchanges over links fail: learned and tuned optimizers on twelve kinds of networks.

Methods are tuned without faults, on other problems, and run with a share of all exchanges failing, independently. A
cell has the median over the instances for each share. Run it with ``python benchmarks/faults.py``.
"""

from __future__ import annotations

import argparse

from gnn_l2o._utils.errors import InputError
from gnn_l2o.evaluation import Results, evaluate
from gnn_l2o.evaluation.tables import Table

SHARES = (0.0, 0.05, 0.2)
MODELS = ("milodo_local", "milodo_gnn")
METHODS = ("admm", "admm_robust", "prox_ed", "dapg")
TOPOLOGIES = (
    "ring",
    "star",
    "complete",
    "grid",
    "torus",
    "hypercube",
    "binary_tree",
    "exponential",
    "regular:degree=3",
    "erdos_renyi",
    "barabasi_albert",
    "watts_strogatz",
)


def measured(share: float, args: argparse.Namespace) -> Results:
    """Return the results of all optimizers where this share of the exchanges fails."""
    return evaluate(
        models=MODELS,
        algorithms=METHODS,
        limits=(),
        datasets=args.dataset,
        topologies=args.topology,
        nodes=args.nodes,
        instances=args.instances,
        iterations=args.iterations,
        tuning_budget=args.tuning_budget,
        tuning_instances=2,
        faults=f"drop={share}",
    )


def table(results: list[Results], tolerance: float) -> Table:
    """Return the rounds to a tolerance, a row for each kind of network."""
    rows = []
    for case in results[0].cases:
        cells = {
            name: " / ".join(_rounds(found.median(case, name, tolerance)) for found in results)
            for name in (*MODELS, *METHODS)
        }
        rows.append({"topology": case.topology, **cells})
    shares = " / ".join(f"{100 * share:.3g} %" for share in SHARES)
    return Table(f"Rounds to {tolerance:.0e} where {shares} of the exchanges fail", rows, words=("topology",))


def _rounds(median: float | None) -> str:
    return "-" if median is None else f"{median:.0f}"


def main(argv: list[str] | None = None) -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="lasso:features=60,samples=10")
    parser.add_argument("--topology", nargs="+", default=TOPOLOGIES)
    parser.add_argument("--nodes", type=int, default=16)
    parser.add_argument("--instances", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=1500)
    parser.add_argument("--tuning_budget", type=int, default=12)
    args = parser.parse_args(argv)
    try:
        results = [measured(share, args) for share in SHARES]
    except InputError as error:
        parser.error(error.on_command_line())
    for tolerance in (1e-4, 1e-8):
        found = table(results, tolerance)
        print(f"{found.title}\n\n{found.markdown()}\n")


if __name__ == "__main__":
    main()
