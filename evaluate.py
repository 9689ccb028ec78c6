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

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError, about
from gnn_l2o._utils.optional import optional
from gnn_l2o.algorithms.registry import METHODS
from gnn_l2o.evaluation import METRICS, Plan, Results, evaluate, notes, overview, overview_report, ranking, summary
from gnn_l2o.evaluation.metrics import MEASURES
from gnn_l2o.evaluation.plan import DTYPES, TUNINGS
from gnn_l2o.evaluation.presets import available_presets, load_preset
from gnn_l2o.evaluation.record import SHOWN, TOLERANCES
from gnn_l2o.evaluation.selection import GROUPS, members
from gnn_l2o.learned import available_models
from gnn_l2o.limits import LIMITS

try:
    with optional("report"):
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
except InputError as error:
    print(f"evaluate.py: error: {error}", file=sys.stderr)
    sys.exit(2)

SPEC = "NAME[:KEY=VALUE,...]"
NOT_IN_PRESETS = {"list", "preset", "quick", "full", "output", "overwrite", "resume"}
WORST = 5  # cases in the overview on the screen; its file has more


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
    add("--threads", type=int, default=None, metavar="N", help="CPU threads; default: the choice of PyTorch")
    add("--output", type=Path, metavar="DIR", help="folder for results, tables, report.md, figures/ and the overview")
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
        if len(calls) > 1:  # so that a mistake in the last is found before the first has run
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
    """Run the evaluation that the arguments describe, showing progress on stderr."""
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("checking", total=1.0)

        def report(what: str, done: float) -> None:
            progress.update(task, description=what, completed=done)

        return evaluate(
            make_plan(args),
            output=args.output,
            overwrite=args.overwrite,
            resume=args.resume,
            command=command,
            check_only=check_only,
            report=report,
        )


def make_plan(args: argparse.Namespace) -> Plan:
    """Return the settings that the arguments give.

    Raises:
        InputError: one of them is wrong.
    """
    return Plan(
        models=[] if args.model == ["none"] else args.model,
        datasets=args.dataset,
        topologies=args.topology,
        nodes=args.nodes,
        algorithms=[] if args.algorithms == ["none"] else args.algorithms,
        references=args.references,
        limits={"all": list(LIMITS), "none": []}.get(args.limits[0], args.limits),
        metrics=args.metrics,
        measure=args.measure,
        instances=args.instances,
        iterations=args.iterations,
        seed=args.seed,
        mixing=args.mixing,
        dtype=args.dtype,
        batch_size=args.batch_size,
        tuning_budget=args.tuning_budget,
        tuning=args.tuning,
        tuning_instances=args.tuning_instances,
        tuning_tolerance=args.tuning_tolerance,
        tolerances=args.tolerance,
    )


def show(console: Console, results: Results, args: argparse.Namespace, heading: str) -> None:
    """Print the tables and the notes below them."""
    if heading:
        console.print(f"\n{heading}", style="bold", highlight=False)
    for case in results.cases:
        console.print(ranking(results, case, args.tolerance).rich())
    console.print(summary(results, args.tolerance).rich())
    for line in (notes.KEY, *notes.in_short(results, named=[*results.models, *args.algorithms])):
        console.print(line, highlight=False)
    if args.output:
        console.print(f"results, report and figures are in {args.output}", highlight=False)


def show_overview(console: Console, found: list[overview.Entry], output: Path | None, command: str) -> None:
    """Print the overview of all evaluations, and write it into the folder."""
    console.print()
    console.print(overview_report.totals(found).rich())
    console.print(overview_report.worst_cases(found, WORST).rich())
    for line in overview_report.firsts(found):
        console.print(line, highlight=False)
    if output:
        overview_report.save_overview(found, output, command)
        console.print(f"the overview is in {output / overview_report.OVERVIEW}.md", highlight=False)


def listing(parser: argparse.ArgumentParser) -> str:
    """Return everything that can be named on the command line, with parameters and a line of description."""
    lines = [plugins.overview()]
    for group in ("handcrafted", "tuned"):
        lines += ["", f"{group} methods:", *(_described(name, METHODS[name]) for name in members(group))]
    lines += ["", "limits:", *(_described(name, type(limit)) for name, limit in LIMITS.items())]
    lines += ["", "metrics:", *(_described(name, METRICS[name]) for name in METRICS.names())]
    lines += ["", "models:", *(f"  {name}" for name in available_models()), "", "presets:"]
    for name in available_presets():
        lines.append(f"  {name}\n      {load_preset(name, preset_flags(parser)).headline}")
    return "\n".join(lines)


def _described(name: str, kind: type) -> str:
    return f"  {name}\n      {(inspect.getdoc(kind) or '').partition(chr(10))[0]}"


if __name__ == "__main__":
    sys.exit(main())
