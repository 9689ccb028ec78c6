"""Train a decentralized optimizer on a mixture of problems and graphs."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError, about
from gnn_l2o._utils.optional import optional
from gnn_l2o._utils.writable import require_writable
from gnn_l2o.cli.interruption import is_about, stopped
from gnn_l2o.cli.parser import MAX_THREADS, Parser, default_folder, device, folder, whole_number
from gnn_l2o.cli.training_configuration import DATASET_SHORTHANDS, LAYERWISE, SETTINGS, configuration
from gnn_l2o.cli.training_progress import training_progress
from gnn_l2o.learned import ARCHITECTURES
from gnn_l2o.learned.model import RECIPE, WEIGHTS
from gnn_l2o.learned.unrolled import UNROLLED
from gnn_l2o.training import DEFAULT_ARCHITECTURE, LOSSES, LayerwiseConfig, LayerwiseRun, TrainingConfig, TrainingRun
from gnn_l2o.training.checkpoint import CHECKPOINT
from gnn_l2o.training.flags import add_architecture_flags, add_layerwise_flags, add_training_flags

with optional("report"):
    from rich.console import Console

MIXTURE = ("dataset", "topology", "nodes", "mixing", "problems", "validation_problems", "validation_iterations")
OWN_FLAGS = ("architecture", "stages", "pretrained", "pretrained_fingerprint")  # of another form than their setting


def build_parser(program: str = "train_gnn.py") -> Parser:
    """Return the parser; flags that are not given stay ``None``, so that a recipe or a default decides.

    Args:
        program: what messages call it.
    """
    parser = Parser(
        prog=program,
        usage="%(prog)s --dataset SPEC ... [--output DIR] [--topology SPEC ...] [--nodes N ...] [options]",
        description=__doc__,
    )
    add = parser.add_argument
    add("--list", action="store_true", help="list topologies and datasets with their parameters, and exit")
    add("--output", type=folder, metavar="DIR", help="folder of the trained model; default: out/ and the time")
    add(
        "--recipe", type=Path, metavar="FILE", help="a recipe.toml with all settings; flags given beside it override it"
    )
    short = "one epoch of each stage on few problems, to see the whole of a training in minutes"
    add("--quick", action="store_true", help=f"{short}; flags given beside it override it")
    add("--paper", action="store_true", help="begin with the settings of the MiLoDo paper instead of the defaults")
    add(
        "--from",
        "--pretrained",
        dest="pretrained",
        metavar="MODEL",
        help="train a model further, a name in models/ or a folder; mixture and architecture are its own",
    )
    add("--start_from", dest="pretrained", help=argparse.SUPPRESS)  # its name before version 0.5
    add("--resume", action="store_true", help="go on from the checkpoint in the output folder; if there is none, begin")
    add("--overwrite", action="store_true", help="replace the model in the output folder")

    mixture = parser.add_argument_group(
        "training mixture", "Every training problem takes a dataset, a topology and a size at random."
    )
    add_training_flags(mixture, MIXTURE)
    for name in DATASET_SHORTHANDS:
        help_text = f"short for {name}=VALUE after each --dataset that does not say it"
        mixture.add_argument(f"--{name}", metavar="VALUE", help=help_text)

    architecture = parser.add_argument_group(
        "architecture", "Each kind has those of these settings whose defaults name it."
    )
    kind = f"kind of the learned optimizer (default: {DEFAULT_ARCHITECTURE.name})"
    architecture.add_argument("--architecture", choices=ARCHITECTURES, help=kind)
    add_architecture_flags(architecture, {name: ARCHITECTURES[name] for name in ARCHITECTURES})

    mixed = [name for name in ARCHITECTURES if name not in {kind.name for kind in UNROLLED}]
    inits = "; ".join(f"{', '.join(ARCHITECTURES[name].inits)} of {name}" for name in mixed)
    training = parser.add_argument_group(
        "training", f"Losses: {', '.join(LOSSES.names())}. Initializations, the default first: {inits}."
    )
    add = training.add_argument
    stages = "JSON: a list of {lr, truncation_length, iterations, epochs}; default: those of the kind of architecture"
    add("--stages_config", type=Path, metavar="FILE", help=stages)
    add("--epochs", type=int, metavar="N", help="epochs of each stage; default: as the stages say")
    rate = "learning rate of the first stage, with which those of the others change in proportion; default: as they say"
    add("--lr", type=float, metavar="X", help=rate)
    add_training_flags(training, [name for name in SETTINGS if name not in (*MIXTURE, *OWN_FLAGS)])
    unrolled = parser.add_argument_group(
        "unrolled networks", f"{', '.join(kind.name for kind in UNROLLED)} are trained layer by layer on new signals."
    )
    add_layerwise_flags(unrolled, [name for name in LAYERWISE if name not in SETTINGS])
    add("--optimizer", choices=["adam"], help="optimizer of the weights (default: adam)")
    threads = (
        "CPU threads (default: %(default)s; more wait for each other, round sums otherwise and train other weights)"
    )
    add("--threads", type=whole_number(1, MAX_THREADS), default=1, metavar="N", help=threads)
    add("--device", type=device, default="cpu", metavar="NAME", help="where to compute (default: %(default)s)")
    return parser


def main(argv: list[str] | None = None, program: str = "train_gnn.py") -> int:
    """Run the command; return its exit code.

    Args:
        argv: the arguments; by default those of the process.
        program: what messages call it.
    """
    parser = build_parser(program)
    args = parser.parse_args(argv)
    is_given = args.output is not None
    try:
        if args.list:
            print(plugins.overview())
            return 0
        torch.set_num_threads(args.threads)
        train(args)
    except KeyboardInterrupt as error:
        return stopped(error, program, args, is_given=is_given)
    except (Exception, SystemExit) as error:  # a plug-in may try to end the process
        if is_about(error, args.output):
            return stopped(error, program, args, is_given=is_given)
        parser.refuse(error)
    return 0


def train(args: argparse.Namespace) -> None:
    """Train as the arguments say, printing progress.

    Raises:
        InputError: the arguments are wrong, or training fails for a reason that other arguments avoid.
    """
    config = configuration(args)
    output = output_folder(args)
    console = Console(stderr=True)
    with training_progress(console) as report:
        run: TrainingRun | LayerwiseRun
        if isinstance(config, LayerwiseConfig):
            run = LayerwiseRun(config, output, resume=args.resume, device=args.device, report=report.of_layers)
        else:
            run = TrainingRun(config, output, resume=args.resume, device=args.device, report=report)
        if args.resume and not run.resumed:
            say(console, f"{run.folder} holds no checkpoint: training begins from the start")
        say(console, f"the model goes into {run.folder}")
        if isinstance(config, TrainingConfig):
            say(console, f"drawing and solving {config.problems + config.validation_problems} problems")
        run.run()
    say(console, f"best validation {run.progress.best:.4f}; wrote {run.folder}")


def say(console: Console, line: str) -> None:
    """Print a line as it is."""
    console.print(line, highlight=False, soft_wrap=True)


def output_folder(args: argparse.Namespace) -> Path:
    """Return the output folder: a new one, if none is named and none has to be there.

    Raises:
        InputError: it is not given, cannot be written to, or holds a model that is neither to be resumed nor to be
            replaced.
    """
    if args.resume and args.overwrite:
        raise InputError("--resume cannot be combined with --overwrite")
    if args.output is None:
        if args.resume or args.overwrite:
            with about(**{"resume" if args.resume else "overwrite": True}):
                raise InputError("needs an output folder")
        args.output = default_folder()
    output: Path = args.output
    with about(output=output):
        require_writable(output)
        holds_one = any((output / file).exists() for file in (RECIPE, WEIGHTS, CHECKPOINT))
        if holds_one and not (args.resume or args.overwrite):
            raise InputError("holds a model already; --resume goes on with it, --overwrite replaces it")
    return output
