"""The command line of evaluations."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from gnn_l2o import plugins
from gnn_l2o.cli.parser import MAX_THREADS, Parser, folder, whole_number
from gnn_l2o.evaluation import Plan
from gnn_l2o.evaluation.metrics import MEASURES
from gnn_l2o.evaluation.plan import DTYPES, TUNINGS
from gnn_l2o.evaluation.record import SHOWN, TOLERANCES
from gnn_l2o.evaluation.selection import GROUPS
from gnn_l2o.limits import LIMITS, RECOVERY
from gnn_l2o.problems import NeuralNetwork

SHOWING = ("open", "format", "quiet", "verbose")
SPEC = "NAME[:KEY=VALUE,...]"
NOT_IN_PRESETS = {"list", "preset", "quick", "full", "output", "overwrite", "resume", "distributed", *SHOWING}
FOR_NETWORKS: Mapping[str, Any] = {
    "iterations": 1000,
    "dtype": "float32",
    "tuning_budget": 12,
    "tuning_instances": 1,
    "tuning_tolerance": 0.1,
    "tolerance": [0.1, 0.01],
}
"""The defaults of flags where all datasets train neural networks.

An iteration takes a hundred times as long as one on most other datasets; no minimum is certified, so that double
precision is of no use; and a training loss of 1e-4 of the first one is out of reach.
"""


def build_parser(program: str = "evaluate.py") -> Parser:
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
    listed = "list everything that can be named, with parameters, and exit; 'real': the networks of topology real"
    add("--list", nargs="?", const="all", choices=["all", "real"], metavar="real", help=listed)
    add("--preset", metavar="NAME", help="run the evaluations of a file in presets/; other flags override its settings")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="run the preset at its small size, which is the default")
    size.add_argument("--full", action="store_true", help="run the preset at its full size")
    add("--model", nargs="+", default=["milodo_local"], metavar="NAME", help="trained optimizers, or 'none'")
    groups = ", ".join(f"'{group}'" for group in GROUPS)
    methods = f"methods to tune and run: names, Python files, the groups {groups}, or 'none'"
    add("--algorithms", nargs="+", default=["all"], metavar="NAME", help=methods)
    add("--references", nargs="+", default=["prox_ed"], metavar="NAME", help="methods that tables compare models with")
    limits = f"what no method can beat, shown beside all: {', '.join(LIMITS)}, 'all' (of these) or 'none'; for sparse "
    limits += f"recovery also {', '.join(RECOVERY)}"
    add("--limits", nargs="+", default=["all"], metavar="NAME", help=limits)
    add(
        "--metrics",
        nargs="+",
        default=list(_default("metrics")),
        metavar="NAME",
        help="what is measured: metrics by name, or Python files",
    )
    add("--dataset", nargs="+", default=["lasso"], metavar=SPEC, help="distributions of problems")
    add("--topology", nargs="+", default=["ring"], metavar=SPEC, help="kinds of networks")
    add("--nodes", nargs="+", type=int, default=[10], metavar="N", help="numbers of nodes of the networks")
    add("--mixing", default="metropolis", metavar="NAME", help="mixing weights")
    worst = "whose optimality gap decides, in tuning too: that of the average of the nodes or of the worst node"
    add("--measure", default="average", choices=list(MEASURES), help=worst)
    add("--instances", type=int, default=5, metavar="N", help="problems for each dataset, topology and size")
    length = "iterations of each run; default: 2000, of neural networks 1000"
    add("--iterations", type=int, default=2000, metavar="N", help=length)
    add("--batch_size", type=int, default=None, metavar="N", help="samples of each node in a gradient; default: all")
    every = (
        "permute the classes after every so many iterations, and measure the loss of each mini-batch before its step"
    )
    add("--permute_labels", type=int, default=None, metavar="N", help=every)
    faults = "of links and nodes in the runs, 'drop=0.1,sleep=0.05'; methods are tuned without (docs/faults.md)"
    add("--faults", default="", metavar="SPEC", help=faults)
    add("--seed", type=int, default=0, metavar="N", help="seed of problems, networks and mini-batches")
    precision = "precision of the runs; optima are float64; default: float64, of neural networks float32"
    add("--dtype", default="float64", choices=list(DTYPES), help=precision)
    add(
        "--tuning_budget",
        type=int,
        default=24,
        metavar="N",
        help="settings tried for each method; default: 24, of neural networks 12",
    )
    add(
        "--tuning",
        choices=TUNINGS,
        default="held_out",
        help="settings are tried on held-out problems, or, as no user can, on the evaluated ones",
    )
    add(
        "--tuning_instances",
        type=int,
        default=None,
        metavar="N",
        help="held-out problems that settings are tried on; default: 3, on random topologies 5, of neural networks 1",
    )
    add(
        "--tuning_tolerance",
        type=float,
        choices=TOLERANCES,
        default=1e-4,
        metavar="GAP",
        help="relative optimality gap that methods are tuned to reach in the fewest rounds; default: 1e-4, of neural "
        "networks 1e-1",
    )
    threads = whole_number(1, MAX_THREADS)
    add("--threads", type=threads, default=None, metavar="N", help="CPU threads; default: the choice of PyTorch")
    several = "divide the nodes of every run among the processes that torchrun started"
    add("--distributed", action="store_true", help=several)
    output = "folder for results, tables, reports, figures/ and the overview; default: out/ and the time"
    add("--output", type=folder, metavar="DIR", help=output)
    add("--overwrite", action="store_true", help="replace the results in the output folder")
    add("--resume", action="store_true", help="continue the results in the output folder; if there are none, begin")
    add(
        "--tolerance",
        nargs="+",
        type=float,
        choices=TOLERANCES,
        default=list(SHOWN),
        metavar="GAP",
        help="relative optimality gaps in the tables, 1e-1 to 1e-15; optima are certified to 1e-12; default: "
        "1e-4 1e-6, of neural networks 1e-1 1e-2",
    )
    add_showing(parser)
    return parser


def parse(parser: argparse.ArgumentParser, argv: Sequence[str]) -> argparse.Namespace:
    """Return the arguments; those that are not given have the defaults of the kind of the datasets."""
    args = parser.parse_args(argv)
    if all(map(_trains_networks, args.dataset)):
        return parser.parse_args(argv, argparse.Namespace(**FOR_NETWORKS))
    return args


def _trains_networks(dataset: str) -> bool:
    """Tell whether a dataset declares that it returns neural networks."""
    try:
        signature = plugins.load("dataset", dataset).signature
    except (Exception, SystemExit):  # the file of a plug-in may raise anything
        return False  # the plan refuses the dataset, and says why
    return signature is not None and signature.returns == NeuralNetwork.__name__


def add_showing(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say what is shown and how."""
    add = parser.add_argument
    add("--open", action="store_true", help="open report.html, or overview.html of several evaluations, in the browser")
    formats = "what is printed: tables, or rows for each case, tolerance and algorithm"
    add("--format", choices=["table", "csv", "json"], default="table", help=formats)
    loudness = parser.add_mutually_exclusive_group()
    loudness.add_argument("--quiet", action="store_true", help="say nothing on stderr but warnings")
    loudness.add_argument("--verbose", action="store_true", help="say on stderr which step begins")


def _default(setting: str) -> tuple[str, ...]:
    """Return the default of a list among the settings of a plan."""
    return tuple(inspect.signature(Plan).parameters[setting].default)


def preset_flags(parser: argparse.ArgumentParser) -> set[str]:
    """Return the flags that a preset may set."""
    return set(vars(parser.parse_args([]))) - NOT_IN_PRESETS
