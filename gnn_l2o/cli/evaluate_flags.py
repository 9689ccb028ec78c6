"""The command line of evaluations."""

from __future__ import annotations

import argparse
import inspect

from gnn_l2o.cli.parser import MAX_THREADS, Parser, folder, whole_number
from gnn_l2o.evaluation import Plan
from gnn_l2o.evaluation.metrics import MEASURES
from gnn_l2o.evaluation.plan import DTYPES, TUNINGS
from gnn_l2o.evaluation.record import SHOWN, TOLERANCES
from gnn_l2o.evaluation.selection import GROUPS
from gnn_l2o.limits import LIMITS

SPEC = "NAME[:KEY=VALUE,...]"
NOT_IN_PRESETS = {"list", "preset", "quick", "full", "output", "overwrite", "resume"}


def build_parser(program: str = "evaluate.py") -> argparse.ArgumentParser:
    """Return the parser of the command line.

    Args:
        program: what messages call it.
    """
    parser = Parser(
        prog=program,
        usage="%(prog)s [--preset NAME] [--model NAME ...] [--dataset SPEC ...] [--topology SPEC ...] [options]",
        description="Run optimizers on unseen problems and networks and compare them.",
    )
    add = parser.add_argument
    add("--list", action="store_true", help="list everything that can be named, with parameters, and exit")
    add("--preset", metavar="NAME", help="run the evaluations of a file in presets/; other flags override its settings")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="run the preset at its small size, which is the default")
    size.add_argument("--full", action="store_true", help="run the preset at its full size")
    add("--model", nargs="+", default=["milodo_local"], metavar="NAME", help="trained optimizers, or 'none'")
    groups = ", ".join(f"'{group}'" for group in GROUPS)
    methods = f"methods to tune and run: names, Python files, the groups {groups}, or 'none'"
    add("--algorithms", nargs="+", default=["all"], metavar="NAME", help=methods)
    add("--references", nargs="+", default=["prox_ed"], metavar="NAME", help="methods that tables compare models with")
    limits = f"what all are shown beside: {', '.join(LIMITS)}, 'all' or 'none'"
    add("--limits", nargs="+", default=["all"], metavar="NAME", help=limits)
    add("--metrics", nargs="+", default=list(_default("metrics")), metavar="NAME", help="metrics or Python files")
    add("--dataset", nargs="+", default=["lasso"], metavar=SPEC, help="distributions of problems")
    add("--topology", nargs="+", default=["ring"], metavar=SPEC, help="kinds of networks")
    add("--nodes", nargs="+", type=int, default=[10], metavar="N", help="numbers of nodes of the networks")
    add("--mixing", default="metropolis", metavar="NAME", help="mixing weights")
    worst = "whose optimality gap rounds are counted to, in tuning too: the average of the nodes or the worst node"
    add("--measure", default="average", choices=list(MEASURES), help=worst)
    add("--instances", type=int, default=5, metavar="N", help="problems for each dataset, topology and size")
    add("--iterations", type=int, default=2000, metavar="N", help="iterations of each run")
    add("--batch_size", type=int, default=None, metavar="N", help="samples of each node in a gradient; default: all")
    add("--seed", type=int, default=0, metavar="N", help="seed of problems, networks and mini-batches")
    add("--dtype", default="float64", choices=list(DTYPES), help="precision of the runs; optima are float64")
    add("--tuning_budget", type=int, default=24, metavar="N", help="settings tried for each method")
    add(
        "--tuning",
        choices=TUNINGS,
        default="held_out",
        help="whether settings are tried on other problems, or on the evaluated ones so that none can be better",
    )
    add(
        "--tuning_instances",
        type=int,
        default=None,
        metavar="N",
        help="held-out problems that settings are tried on; default: 3, on random topologies 5",
    )
    add(
        "--tuning_tolerance",
        type=float,
        choices=TOLERANCES,
        default=1e-4,
        metavar="GAP",
        help="relative optimality gap that methods are tuned to reach in the fewest rounds; the overview counts to it",
    )
    add(
        "--threads",
        type=whole_number(1, MAX_THREADS),
        default=None,
        metavar="N",
        help="CPU threads; default: the choice of PyTorch",
    )
    add("--output", type=folder, metavar="DIR", help="folder for results, tables, report.md, figures/ and the overview")
    add("--overwrite", action="store_true", help="replace the results in the output folder")
    add("--resume", action="store_true", help="continue the results in the output folder")
    add(
        "--tolerance",
        nargs="+",
        type=float,
        choices=TOLERANCES,
        default=list(SHOWN),
        metavar="GAP",
        help="relative optimality gaps in the tables: 1e-1, 1e-2, ... 1e-15; optima are certified to 1e-12",
    )
    return parser


def _default(setting: str) -> tuple[str, ...]:
    """Return the default of a list among the settings of a plan."""
    return tuple(inspect.signature(Plan).parameters[setting].default)


def preset_flags(parser: argparse.ArgumentParser) -> set[str]:
    """Return the flags that a preset may set."""
    return set(vars(parser.parse_args([]))) - NOT_IN_PRESETS
