"""Run optimizers on unseen problems and networks and compare them."""

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
from gnn_l2o.cli.evaluate_flags import build_parser, preset_flags
from gnn_l2o.cli.parser import Parser
from gnn_l2o.cli.start import invocation
from gnn_l2o.evaluation import METRICS, Plan, Results, evaluate, notes, overview, overview_report, ranking, summary
from gnn_l2o.evaluation.presets import load_preset
from gnn_l2o.evaluation.selection import members
from gnn_l2o.limits import LIMITS

with optional("report"):
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

WORST = 5  # cases in the overview on the screen; its file has more


class Call(NamedTuple):
    """One evaluation."""

    name: str  # among those of a preset; else empty
    heading: str
    args: argparse.Namespace


def main(argv: list[str] | None = None, program: str = "evaluate.py") -> int:
    """Run the command; return its exit code.

    Args:
        argv: the arguments; by default those of the process.
        program: what messages call it.
    """
    argv = sys.argv[1:] if argv is None else argv
    parser = build_parser(program)
    args = parser.parse_args(argv)
    command = shlex.join([*invocation(program), *argv])
    console = Console()
    if not console.is_terminal:
        console.width = 160  # into a file or a pipe, where nothing says how wide a line may be
    try:
        if args.list:
            print(listing())
            return 0
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
    except (Exception, SystemExit) as error:  # a plug-in may try to end the process
        parser.refuse(error)
    except KeyboardInterrupt:
        goes_on = "; the same command with --resume goes on from here" if args.output else ""
        print(f"interrupted{goes_on}", file=sys.stderr)
        return 130
    return 0


def expand(parser: Parser, args: argparse.Namespace, argv: list[str]) -> list[Call]:
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


def listing() -> str:
    """Return everything that can be named on the command line, with parameters and a line of description."""
    lines = [plugins.overview()]
    for group in ("handcrafted", "tuned"):
        lines += ["", f"{group} methods:", *(_described(name, METHODS[name]) for name in members(group))]
    lines += ["", "limits:", *(_described(name, type(limit)) for name, limit in LIMITS.items())]
    lines += ["", "metrics:", *(_described(name, METRICS[name]) for name in METRICS.names())]
    lines += ["", plugins.overview("model", "preset")]
    return "\n".join(lines)


def _described(name: str, kind: type) -> str:
    return f"  {name}\n      {(inspect.getdoc(kind) or '').partition(chr(10))[0]}"
