"""Run optimizers on unseen problems and networks and compare them."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from typing import NamedTuple

import torch

from gnn_l2o._utils.errors import InputError, about
from gnn_l2o._utils.optional import optional
from gnn_l2o.cli import output
from gnn_l2o.cli.evaluate_flags import build_parser, parse, preset_flags
from gnn_l2o.cli.interruption import is_about, stopped
from gnn_l2o.cli.listing import listing
from gnn_l2o.cli.parser import Parser, default_folder
from gnn_l2o.cli.progress import logging_to_stderr, progress
from gnn_l2o.cli.start import invocation
from gnn_l2o.distributed import team as several_processes
from gnn_l2o.evaluation import Plan, Results, evaluate, overview
from gnn_l2o.evaluation.presets import load_preset
from gnn_l2o.evaluation.published import Published
from gnn_l2o.evaluation.team import ALONE, Team
from gnn_l2o.limits import LIMITS

with optional("report"):
    from rich.console import Console


class Call(NamedTuple):
    """One evaluation."""

    name: str  # among those of a preset; else empty
    heading: str
    args: argparse.Namespace
    published: tuple[Published, ...] = ()


def main(argv: list[str] | None = None, program: str = "evaluate.py") -> int:
    """Run the command; return its exit code.

    Args:
        argv: the arguments; by default those of the process.
        program: what messages call it.
    """
    argv = sys.argv[1:] if argv is None else argv
    parser = build_parser(program)
    args = parse(parser, argv)
    if args.distributed and int(os.environ.get("RANK", 0)):
        parser.prog += f", process {os.environ['RANK']}"  # the first one has the plain name
    command = shlex.join([*invocation(program), *argv])
    is_given = args.output is not None
    try:
        if args.list:
            print(listing(args.list))
            return 0
        if args.output is None and not (args.resume or args.overwrite):  # these need a folder that is there
            args.output = default_folder()
            argv = [*argv, "--output", str(args.output)]
        team = choose_team(is_distributed=args.distributed)
        is_quiet = args.quiet or not team.writes
        with logging_to_stderr(quiet=is_quiet, verbose=args.verbose and not is_quiet):
            evaluate_all(parser, args, argv, command, team)
    except KeyboardInterrupt as error:
        return stopped(error, program, args, is_given=is_given)
    except (Exception, SystemExit) as error:  # a plug-in may try to end the process
        if is_about(error, args.output):
            return stopped(error, program, args, is_given=is_given)
        parser.refuse(error)
    return 0


def choose_team(*, is_distributed: bool) -> Team:
    """Return who makes the runs: this process alone, or all that torchrun started.

    Raises:
        InputError: the processes cannot find each other.
    """
    if not is_distributed:
        return ALONE
    with about(distributed=True):
        return several_processes()


def evaluate_all(parser: Parser, args: argparse.Namespace, argv: list[str], command: str, team: Team) -> None:
    """Run all evaluations that the arguments stand for; the first process shows what they found.

    Raises:
        InputError: an argument is wrong.
    """
    if args.open:
        output.check_page()
    calls = expand(parser, args, argv)
    if len(calls) > 1:  # so that a mistake in the last is found before the first has run
        for call in calls:
            run(call, command, team, check_only=True)
    console = Console()
    if not console.is_terminal:
        console.width = 160  # into a file or a pipe, where nothing says how wide a line may be
    runs, found = {}, []
    for call in calls:
        runs[call.name] = results = run(call, command, team)
        found += overview.entries(results, call.name)
        if args.format == "table" and team.writes:
            output.show(console, results, call.args, call.heading)
    if not team.writes:
        return
    output.save_overview(runs, found, args)
    if args.format != "table":
        print(output.rows(runs, args.format))
    else:
        output.show_whole(console, runs, found, args.output)
    if args.open:
        output.open_page(args.output, several=len(runs) > 1)


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
        call = parse(parser, [*part.arguments(full=args.full), *argv])
        if len(preset.runs) > 1 and call.output is not None:
            call.output = call.output / part.name
        calls.append(Call(part.name, f"{preset.name}, {part.name}: {preset.headline}", call, part.published))
    return calls


def run(call: Call, command: str, team: Team, *, check_only: bool = False) -> Results:
    """Run an evaluation, showing progress on stderr."""
    args = call.args
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    with progress(Console(stderr=True)) as report:
        return evaluate(
            make_plan(args),
            output=args.output,
            overwrite=args.overwrite,
            resume=args.resume,
            command=command,
            check_only=check_only,
            report=report,
            team=team,
            published=call.published,
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
        permute_labels=args.permute_labels,
        faults=args.faults,
        tuning_budget=args.tuning_budget,
        tuning=args.tuning,
        tuning_instances=args.tuning_instances,
        tuning_tolerance=args.tuning_tolerance,
        tolerances=args.tolerance,
    )
