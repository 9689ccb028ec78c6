#!/usr/bin/env python3
"""Run optimizers on unseen problems and networks and compare them. See ``python evaluate.py --help``."""

from __future__ import annotations

import argparse
import inspect
import shlex
import sys
from pathlib import Path
from typing import NamedTuple

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError, about
from gnn_l2o.evaluation import Results, evaluate, notes, overview, overview_report, ranking, summary
from gnn_l2o.evaluation.contestants import GROUPS, METHODS
from gnn_l2o.evaluation.plan import DTYPES
from gnn_l2o.evaluation.presets import available_presets, load_preset
from gnn_l2o.evaluation.record import TOLERANCES
from gnn_l2o.learned import available_models

SPEC = "NAME[:KEY=VALUE,...]"
NOT_IN_PRESETS = {"list", "preset", "quick", "full", "output", "overwrite", "resume"}
WORST = 5  # cells that the overview on the screen has; its file has more


class Call(NamedTuple):
    """One evaluation."""

    name: str  # among those of a preset; else empty
    heading: str
    args: argparse.Namespace


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="evaluate.py",
        usage="%(prog)s [--preset NAME] [--model NAME ...] [--dataset SPEC ...] [--topology SPEC ...] [options]",
        description=__doc__,
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--list", action="store_true", help="list all that can be named, with parameters, and exit")
    add("--preset", metavar="NAME", help="run what a file of presets/ says; flags given beside it override it")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="run the preset at its small size, which is the default")
    size.add_argument("--full", action="store_true", help="run the preset at its full size")
    add("--model", nargs="+", default=["milodo_gnn"], metavar="NAME", help="trained optimizers; 'none' for none")
    groups = ", ".join(f"'{group}'" for group in GROUPS)
    add("--algorithms", nargs="+", default=["all"], metavar="NAME", help=f"methods; {groups} or 'none' of them")
    add("--dataset", nargs="+", default=["lasso"], metavar=SPEC, help="what the problems are drawn from")
    add("--topology", nargs="+", default=["ring"], metavar=SPEC, help="kinds of networks")
    add("--nodes", nargs="+", type=int, default=[10], metavar="N", help="sizes of networks")
    add("--mixing", default="metropolis", metavar="NAME", help="mixing weights")
    add("--instances", type=int, default=5, metavar="N", help="problems for each dataset, topology and size")
    add("--iterations", type=int, default=2000, metavar="N", help="length of each run")
    add("--batch_size", type=int, default=None, metavar="N", help="samples that a node draws for a gradient, else all")
    add("--seed", type=int, default=0, metavar="N", help="of everything")
    add("--dtype", default="float64", choices=list(DTYPES), help="precision of the runs; optima are float64")
    add("--tuning_budget", type=int, default=24, metavar="N", help="settings tried for each method")
    add("--tuning_instances", type=int, default=3, metavar="N", help="problems they are tried on")
    add(
        "--tuning_tolerance",
        type=float,
        choices=TOLERANCES,
        default=1e-4,
        metavar="GAP",
        help="relative gap that methods are tuned to reach soon, and that the overview compares at",
    )
    add("--threads", type=int, default=None, metavar="N", help="CPU threads, else as many as PyTorch takes")
    add("--output", type=Path, metavar="DIR", help="folder for results, tables, report.md, figures/ and the overview")
    add("--overwrite", action="store_true", help="replace the results in the output folder")
    add("--resume", action="store_true", help="continue the results in the output folder")
    add(
        "--tolerance",
        nargs="+",
        type=float,
        choices=TOLERANCES,
        default=[1e-3, 1e-4],
        metavar="GAP",
        help="relative gaps in the tables, of 1e-1, 1e-2, ... 1e-15; optima are certified to 1e-12",
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the script; return its exit code."""
    argv = sys.argv[1:] if argv is None else argv
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.list:
        print(listing(parser))
        return 0
    command = shlex.join(["python", "evaluate.py", *argv])
    console = Console()
    if not console.is_terminal:
        console.width = 160  # into a file or a pipe, where nothing says how wide a line may be
    try:
        calls = expand(parser, args, argv)
        if len(calls) > 1:  # a mistake in the last is better found before the first has run
            for call in calls:
                run(call.args, command, check_only=True)
        found = []
        for call in calls:
            results = run(call.args, command)
            show(console, results, call.args, call.heading)
            found += overview.entries(results, call.name)
        if overview.is_worthwhile(found):
            show_overview(console, found, args.output, command)
    except InputError as error:
        parser.error(error.on_command_line())
    except KeyboardInterrupt:
        print("interrupted; the same command with --resume goes on from here" if args.output else "interrupted")
        return 130
    return 0


def expand(parser: argparse.ArgumentParser, args: argparse.Namespace, argv: list[str]) -> list[Call]:
    """Return the calls that a preset stands for, with the flags that were given beside it.

    Raises:
        InputError: the preset cannot be read.
    """
    if args.preset is None:
        for size in ("quick", "full"):
            if getattr(args, size):
                with about(**{size: True}):
                    raise InputError("needs a preset")
        return [Call("", "", args)]
    with about(preset=args.preset):
        preset = load_preset(args.preset, preset_flags(parser))
    calls = []
    for part in preset.runs:
        call = parser.parse_args([*part.arguments(full=args.full), *argv])
        if len(preset.runs) > 1 and call.output is not None:
            call.output = call.output / part.name
        calls.append(Call(part.name, f"{preset.name}, {part.name}: {preset.headline}", call))
    return calls


def preset_flags(parser: argparse.ArgumentParser) -> set[str]:
    """Return the flags that a preset may set."""
    return set(vars(parser.parse_args([]))) - NOT_IN_PRESETS


def run(args: argparse.Namespace, command: str, *, check_only: bool = False) -> Results:
    """Evaluate what the arguments ask for, showing progress on stderr."""
    if args.threads is not None:
        torch.set_num_threads(args.threads)
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
            algorithms=[] if args.algorithms == ["none"] else args.algorithms,
            instances=args.instances,
            iterations=args.iterations,
            seed=args.seed,
            mixing=args.mixing,
            dtype=args.dtype,
            batch_size=args.batch_size,
            tuning_budget=args.tuning_budget,
            tuning_instances=args.tuning_instances,
            tuning_tolerance=args.tuning_tolerance,
            tolerances=args.tolerance,
            output=args.output,
            overwrite=args.overwrite,
            resume=args.resume,
            command=command,
            check_only=check_only,
            report=report,
        )


def show(console: Console, results: Results, args: argparse.Namespace, heading: str) -> None:
    """Print the tables and what the reader should know about them."""
    if heading:
        console.print(f"\n{heading}", style="bold", highlight=False)
    for cell in results.cells:
        console.print(ranking(results, cell, args.tolerance).rich())
    console.print(summary(results, args.tolerance).rich())
    for line in (notes.KEY, *notes.in_short(results, named=[*results.models, *args.algorithms])):
        console.print(line, highlight=False)
    if args.output:
        console.print(f"results, report and figures are in {args.output}", highlight=False)


def show_overview(console: Console, found: list[overview.Entry], output: Path | None, command: str) -> None:
    """Print what all evaluations found together, and write it into the folder."""
    console.print()
    console.print(overview_report.totals(found).rich())
    console.print(overview_report.worst_cells(found, WORST).rich())
    for line in overview_report.firsts(found):
        console.print(line, highlight=False)
    if output:
        overview_report.save_overview(found, output, command)
        console.print(f"the overview is in {output / overview_report.OVERVIEW}.md", highlight=False)


def listing(parser: argparse.ArgumentParser) -> str:
    """Return all that may be named on the command line, with parameters and a line of description."""
    lines = [plugins.overview()]
    for group in ("handcrafted", "tuned"):
        about_each = {name: (inspect.getdoc(METHODS[name]) or "").split("\n")[0] for name in GROUPS[group]}
        lines += ["", f"{group} methods:", *(f"  {name}\n      {line}" for name, line in about_each.items())]
    lines += ["", "models:", *(f"  {name}" for name in available_models()), "", "presets:"]
    for name in available_presets():
        lines.append(f"  {name}\n      {load_preset(name, preset_flags(parser)).headline}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
