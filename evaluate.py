#!/usr/bin/env python3
"""Run optimizers on unseen problems and networks and compare them. See ``python evaluate.py --help``."""

from __future__ import annotations

import argparse
import inspect
import shlex
import sys
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from gnn_l2o import plugins
from gnn_l2o.errors import InputError
from gnn_l2o.evaluation import Results, evaluate, table
from gnn_l2o.evaluation.plan import DTYPES
from gnn_l2o.evaluation.results import TOLERANCES
from gnn_l2o.handcrafted import HANDCRAFTED
from gnn_l2o.learned import available_models

SPEC = "NAME[:KEY=VALUE,...]"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="evaluate.py",
        usage="%(prog)s [--model NAME ...] [--dataset SPEC ...] [--topology SPEC ...] [--nodes N ...] [options]",
        description=__doc__,
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--list", action="store_true", help="list topologies, datasets, handcrafted methods and models, and exit")
    add("--model", nargs="+", default=["milodo_gnn"], metavar="NAME", help="trained optimizers; 'none' for none")
    add("--algorithms", nargs="+", default=["all"], metavar="NAME", help="handcrafted methods; 'none' for none")
    add("--dataset", nargs="+", default=["lasso"], metavar=SPEC, help="what the problems are drawn from")
    add("--topology", nargs="+", default=["ring"], metavar=SPEC, help="kinds of networks")
    add("--nodes", nargs="+", type=int, default=[10], metavar="N", help="sizes of networks")
    add("--mixing", default="metropolis", metavar="NAME", help="mixing weights")
    add("--instances", type=int, default=5, metavar="N", help="problems for each dataset, topology and size")
    add("--iterations", type=int, default=2000, metavar="N", help="length of each run")
    add("--seed", type=int, default=0, metavar="N", help="of everything")
    add("--dtype", default="float64", choices=list(DTYPES), help="precision of the runs; measured in float64 always")
    add("--tuning_budget", type=int, default=24, metavar="N", help="settings tried for each handcrafted method")
    add("--tuning_instances", type=int, default=3, metavar="N", help="problems they are tried on")
    add("--threads", type=int, default=None, metavar="N", help="CPU threads, else as many as PyTorch takes")
    add("--output", type=Path, metavar="DIR", help="folder for results.json, summary.csv, report.md and figures/")
    add("--overwrite", action="store_true", help="replace the results in the output folder")
    add("--resume", action="store_true", help="continue the results in the output folder")
    add(
        "--tolerance",
        nargs="+",
        type=float,
        choices=TOLERANCES,
        default=[1e-3, 1e-4],
        metavar="GAP",
        help="relative gaps in the table, of 1e-1, 1e-2, ... 1e-8",
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the script; return its exit code."""
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.list:
        print(listing())
        return 0
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    command = shlex.join(["python", "evaluate.py", *(sys.argv[1:] if argv is None else argv)])
    try:
        results = run(args, command)
    except InputError as error:
        parser.error(error.on_command_line())
    except KeyboardInterrupt:
        print("interrupted; the same command with --resume goes on from here" if args.output else "interrupted")
        return 130
    show(results, args)
    return 0


def run(args: argparse.Namespace, command: str) -> Results:
    """Evaluate what the arguments ask for, showing progress on stderr."""
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("checking", total=1.0)

        def report(what: str, done: float) -> None:
            progress.update(task, description=what, completed=done)

        return evaluate(
            [] if args.model == ["none"] else args.model,
            args.dataset,
            args.topology,
            args.nodes,
            algorithms={"all": None, "none": []}.get(" ".join(args.algorithms), args.algorithms),
            instances=args.instances,
            iterations=args.iterations,
            seed=args.seed,
            mixing=args.mixing,
            dtype=args.dtype,
            tuning_budget=args.tuning_budget,
            tuning_instances=args.tuning_instances,
            output=args.output,
            overwrite=args.overwrite,
            resume=args.resume,
            command=command,
            report=report,
        )


def show(results: Results, args: argparse.Namespace) -> None:
    """Print the table and what the reader should know about it."""
    console = Console()
    if not console.is_terminal:
        console.width = 160  # into a file or a pipe, where nothing says how wide a line may be
    console.print(table(results, args.tolerance))
    for tuning in results.tuning:
        for warning in tuning["warnings"]:
            console.print(f"note: {', '.join(map(str, tuning['cell'].values()))}: {warning}", highlight=False)
    if args.output:
        console.print(f"results, report and figures are in {args.output}", highlight=False)


def listing() -> str:
    """Return all that may be named on the command line, with parameters and a line of description."""
    about = {name: (inspect.getdoc(method) or "").split("\n")[0] for name, method in HANDCRAFTED.items()}
    lines = [
        plugins.overview(),
        "",
        "handcrafted methods:",
        *(f"  {name}\n      {line}" for name, line in about.items()),
    ]
    return "\n".join([*lines, "", "models:", *(f"  {name}" for name in available_models())])


if __name__ == "__main__":
    sys.exit(main())
