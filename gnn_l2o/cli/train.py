"""Train a decentralized optimizer on a mixture of problems and graphs."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError, about
from gnn_l2o._utils.optional import optional
from gnn_l2o._utils.parse import read_toml
from gnn_l2o._utils.writable import require_writable
from gnn_l2o.cli.interruption import is_about, stopped
from gnn_l2o.cli.parser import MAX_THREADS, Parser, default_folder, device, folder, whole_number
from gnn_l2o.cli.training_progress import training_progress
from gnn_l2o.learned import ARCHITECTURES, MiLoDoArchitecture
from gnn_l2o.learned.model import RECIPE, WEIGHTS
from gnn_l2o.training import (
    DEFAULT_ARCHITECTURE,
    LOSSES,
    QUICK,
    TrainingConfig,
    TrainingRun,
    fine_tuning,
    read_stages,
    with_epochs,
    with_learning_rate,
)
from gnn_l2o.training.checkpoint import CHECKPOINT
from gnn_l2o.training.flags import add_architecture_flags, add_training_flags
from gnn_l2o.training.presets import PAPER_RECIPE, RENAMED, without_initialization

with optional("report"):
    from rich.console import Console

DATASET_SHORTHANDS = ("features", "samples", "l1_weight", "noise")
MIXTURE = ("dataset", "topology", "nodes", "mixing", "problems", "validation_problems", "validation_iterations")
SETTINGS = [f.name for f in dataclasses.fields(TrainingConfig)]
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
    short = "one epoch of each stage on few problems, to see the whole of a training in a minute or so"
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

    inits = "; ".join(f"{', '.join(ARCHITECTURES[name].inits)} of {name}" for name in ARCHITECTURES)
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
        run = TrainingRun(config, output, resume=args.resume, device=args.device, report=report)
        if args.resume and not run.resumed:
            say(console, f"{run.folder} holds no checkpoint: training begins from the start")
        say(console, f"the model goes into {run.folder}")
        say(console, f"drawing and solving {config.problems + config.validation_problems} problems")
        run.run()
    say(console, f"best validation {run.progress.best:.4f}; wrote {run.folder}")


def say(console: Console, line: str) -> None:
    """Print a line as it is."""
    console.print(line, highlight=False, soft_wrap=True)


def configuration(args: argparse.Namespace) -> TrainingConfig:
    """Return what the recipe and the flags say together.

    Raises:
        InputError: they say something impossible.
    """
    if args.resume and args.recipe is None and args.output is not None and (args.output / RECIPE).exists():
        args.recipe = args.output / RECIPE
    base = first_settings(args)
    training = {RENAMED.get(name, name): value for name, value in base.get("training", {}).items()}
    if args.pretrained is not None:
        training = without_initialization(training)
    given = {k: v for k, v in vars(args).items() if v is not None}
    architecture = first_architecture(args, base)
    kind = given.pop("architecture", architecture["kind"])
    if kind != architecture["kind"]:
        # The settings of one kind and its initialization say nothing about another.
        architecture, training = {}, {k: v for k, v in training.items() if k not in ("init", "initial_step_size")}
    architecture |= {"kind": kind} | {k: given[k] for k in architecture_settings() if k in given}
    training |= {**(QUICK if args.quick else {}), **{k: given[k] for k in SETTINGS if k in given}}
    if args.stages_config is not None:
        with about(stages_config=args.stages_config):
            training["stages"] = list(read_stages(args.stages_config))
    if "dataset" not in training:
        raise InputError("--dataset is needed, e.g. --dataset lasso:features=300,samples=10 (or --recipe)")
    if isinstance(training["dataset"], list):  # else it is refused below
        training["dataset"] = [with_shorthands(str(spec), given) for spec in training["dataset"]]
    return with_stages(TrainingConfig.from_dict({"architecture": architecture, "training": training}), args)


def with_stages(config: TrainingConfig, args: argparse.Namespace) -> TrainingConfig:
    """Return the configuration with the epochs and learning rates that the flags say.

    Raises:
        InputError: one of them is out of bounds.
    """
    stages, epochs = config.stages, 1 if args.quick and args.epochs is None else args.epochs
    if epochs is not None:
        with about(epochs=epochs):
            stages = with_epochs(stages, epochs)
    if args.lr is not None:
        with about(lr=args.lr):
            stages = with_learning_rate(stages, args.lr)
    return dataclasses.replace(config, stages=stages)


def first_settings(args: argparse.Namespace) -> Mapping[str, Any]:
    """Return the tables of settings that the flags change: of a recipe, a model, the paper, or none.

    Raises:
        InputError: a recipe or model cannot be read.
    """
    if args.recipe is not None:
        with about(recipe=args.recipe):
            tables = read_toml(args.recipe)
            TrainingConfig.from_dict(tables)  # what is wrong in it is not blamed on the flags
        return tables if args.pretrained is None else {**fine_tuning(args.pretrained), **tables}
    if args.pretrained is not None:
        if args.paper:
            raise InputError("--from begins with the settings of a model, --paper with the paper's; leave one out")
        return fine_tuning(args.pretrained)
    return PAPER_RECIPE if args.paper else {}


def first_architecture(args: argparse.Namespace, base: Mapping[str, Any]) -> dict[str, Any]:
    """Return the architecture that the flags change: that of the base, or the default one, with its kind."""
    if "architecture" in base:
        return {"kind": MiLoDoArchitecture.name, **base["architecture"]}
    # Of the default architecture, the paper's parametrization has nothing but the kind.
    is_default = args.parametrization != "paper"
    return DEFAULT_ARCHITECTURE.to_dict() if is_default else {"kind": MiLoDoArchitecture.name}


def with_shorthands(spec: str, given: dict[str, Any]) -> str:
    """Append ``--features`` and the like to a dataset's spec where it does not set them itself."""
    head, _, tail = spec.partition(":")
    items = [item for item in tail.split(",") if item]
    said = {item.partition("=")[0].strip() for item in items}
    items += [f"{name}={given[name]}" for name in DATASET_SHORTHANDS if name in given and name not in said]
    return f"{head}:{','.join(items)}" if items else head


def architecture_settings() -> list[str]:
    """Return the names of the settings of all kinds of architecture."""
    return list(dict.fromkeys(f.name for kind in ARCHITECTURES.values() for f in dataclasses.fields(kind)))


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
