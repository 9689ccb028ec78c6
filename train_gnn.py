#!/usr/bin/env python3
"""Train a decentralized optimizer on a mixture of problems and graphs. See ``python train_gnn.py --help``."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import torch
from rich.console import Console

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError, about
from gnn_l2o.learned import ARCHITECTURES, MiLoDoArchitecture
from gnn_l2o.nn.edge_preconditioner import EdgeWeights, Symmetrize
from gnn_l2o.nn.node_preconditioner import Parametrization
from gnn_l2o.training import TrainingConfig, TrainingRun, fine_tuning, read_stages
from gnn_l2o.training.card import write_card
from gnn_l2o.training.config import DEFAULT_RECIPE, PAPER_RECIPE, LossName, read_tables, without_start
from gnn_l2o.training.progress import ProgressPrinter

DATASET_SHORTHANDS = ("features", "samples", "l1_weight", "noise")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; flags that are not given stay ``None``, so that a recipe or a default decides."""
    parser = argparse.ArgumentParser(prog="train_gnn.py", description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--list", action="store_true", help="list topologies and datasets with their parameters, and exit")
    add("--output", type=Path, help="folder of the trained model, e.g. models/mine")
    add("--recipe", type=Path, help="a recipe.toml with all settings; flags given beside it override it")
    add("--paper", action="store_true", help="begin with the settings of the MiLoDo paper instead of the defaults")
    add(
        "--from",
        "--pretrained",
        dest="pretrained",
        metavar="MODEL",
        help="train a model further, a name in models/ or a folder; mixture and architecture are its own",
    )
    add("--resume", action="store_true", help="go on from the checkpoint in the output folder")
    add("--overwrite", action="store_true", help="replace the model in the output folder")

    mixture = parser.add_argument_group("training mixture", "every training problem takes one of each at random")
    add = mixture.add_argument
    add(
        "--dataset", "--optimizee", nargs="+", metavar="NAME[:KEY=VALUE,...]", help="e.g. lasso:features=300,samples=10"
    )
    add("--topology", nargs="+", metavar="NAME[:KEY=VALUE,...]", help="e.g. ring erdos_renyi:p=0.3")
    add("--nodes", "--agents", nargs="+", type=int, help="sizes of the graphs")
    add("--mixing", help="mixing weights")
    for name in DATASET_SHORTHANDS:
        add(f"--{name}", metavar="VALUE", help=f"short for {name}=VALUE after each --dataset that does not say it")
    add("--problems", type=int, help="number of training problems")
    add("--validation_problems", type=int, help="number of problems held out to choose the best weights")
    add("--validation_iterations", type=int, help="how long these are run")

    model = parser.add_argument_group("architecture", "which of these settings there are depends on the kind")
    add = model.add_argument
    add("--architecture", choices=ARCHITECTURES, help=f"its kind (default: {MiLoDoArchitecture.name})")
    add("--parametrization", choices=get_args(Parametrization), help="how the networks' outputs become gains")
    add("--symmetrize", choices=get_args(Symmetrize), help="how the two ends of an edge come to the same gain")
    add("--hidden_features", type=int, help="width of the LSTMs")
    add("--spectral_gap", action=argparse.BooleanOptionalAction, default=None, help="let the networks see it")
    add("--accelerated", action=argparse.BooleanOptionalAction, default=None, help="let the gains include momentum")
    add("--restart", action=argparse.BooleanOptionalAction, default=None, help="drop momentum where it turns back")
    add("--log_features", action=argparse.BooleanOptionalAction, default=None, help="let them see signed logarithms")
    add(
        "--skip_connection",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="let what they see also go past them",
    )
    add("--edge_weights", choices=get_args(EdgeWeights), help="of an edge: one for each coordinate, or one for all")
    add("--warmup", type=int, help="refresh the gains in each of the first so many iterations")
    add("--recompute_every", type=int, help="and in every so-manieth afterwards; 0 holds them")
    add("--chebyshev_steps", type=int, help="lengths that held steps have in turn; without momentum only")
    add("--depth", type=int, help="layers of an unrolled method")
    add("--linear", action=argparse.BooleanOptionalAction, default=None, help="let learned scalars depend on the graph")

    training = parser.add_argument_group("training")
    add = training.add_argument
    add("--stages_config", type=Path, help="JSON: a list of {lr, truncation_length, iterations, epochs}")
    add("--batch_size", type=int, help="problems in a batch")
    add("--gradient_samples", type=int, help="samples that a node draws for a gradient (default: all)")
    add("--loss", choices=get_args(LossName), help="what is minimized")
    inits = dict.fromkeys(init for kind in ARCHITECTURES.values() for init in kind.inits)
    add("--init", metavar="START", help=f"where training starts: {', '.join(inits)}, as far as the kind knows it")
    add("--initial_step_size", type=float, help="step size at the start, in the kind's unit")
    add("--optimizer", choices=["adam"], help="of the weights")
    add("--weight_decay", type=float, help="of the optimizer")
    add("--clip", type=float, help="bound on the norm of an update's gradient")
    add("--ema", type=float, help="decay of the moving average of the weights")
    add("--seed", type=int, help="of everything")
    add("--threads", type=int, default=1, help="CPU threads (default: %(default)s; more wait for each other)")
    add("--device", default="cpu", help="where to compute (default: %(default)s)")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the script; return its exit code."""
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.list:
        print(plugins.overview())
        return 0
    torch.set_num_threads(args.threads)
    try:
        config = configuration(args)
        console = Console()
        printer = ProgressPrinter(console)
        run = TrainingRun(config, output_folder(args), resume=args.resume, device=args.device, report=printer)
        console.print(f"drawing and solving {config.problems + config.validation_problems} problems", highlight=False)
        run.run()
    except InputError as error:
        parser.error(error.on_command_line())
    write_card(run)
    printer.finish(run)
    return 0


def configuration(args: argparse.Namespace) -> TrainingConfig:
    """Return what the recipe and the flags say together.

    Raises:
        InputError: they say something impossible.
    """
    if args.resume and args.recipe is None and args.output is not None and (args.output / "recipe.toml").exists():
        args.recipe = args.output / "recipe.toml"
    base = first_settings(args)
    architecture, training = (dict(base.get(table, {})) for table in ("architecture", "training"))
    if args.pretrained is not None:
        training = without_start(training)
    given = {k: v for k, v in vars(args).items() if v is not None}
    kind = given.pop("architecture", architecture.get("kind", MiLoDoArchitecture.name))
    if kind != architecture.get("kind", MiLoDoArchitecture.name):
        # The settings of one kind and its start say nothing about another.
        architecture, training = {}, {k: v for k, v in training.items() if k not in ("init", "initial_step_size")}
    architecture |= {"kind": kind} | {k: given[k] for k in architecture_settings() if k in given}
    training |= {k: given[k] for k in TrainingConfig.__dataclass_fields__ if k in given}
    if args.stages_config is not None:
        with about(stages_config=args.stages_config):
            training["stages"] = [vars(stage) for stage in read_stages(args.stages_config)]
    if "dataset" not in training:
        raise InputError("--dataset is needed, e.g. --dataset lasso:features=300,samples=10 (or --recipe)")
    training["dataset"] = [with_shorthands(spec, given) for spec in training["dataset"]]
    return TrainingConfig.from_dict({"architecture": architecture, "training": training})


def first_settings(args: argparse.Namespace) -> Mapping[str, Any]:
    """Return the tables of settings that the flags change: of a recipe, a model, the paper, or the defaults.

    Raises:
        InputError: a recipe or model cannot be read.
    """
    if args.recipe is not None:
        with about(recipe=args.recipe):
            tables = read_tables(args.recipe)
            TrainingConfig.from_dict(tables)  # what is wrong in it is not blamed on the flags
        return tables if args.pretrained is None else {**fine_tuning(args.pretrained), **tables}
    if args.pretrained is not None:
        if args.paper:
            raise InputError("--from begins with the settings of a model, --paper with the paper's; leave one out")
        return fine_tuning(args.pretrained)
    if args.paper:
        return PAPER_RECIPE
    is_default = args.architecture in (None, MiLoDoArchitecture.name) and args.parametrization != "paper"
    return DEFAULT_RECIPE if is_default else {}


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
    """Return the output folder.

    Raises:
        InputError: it is not given, or holds a model that is neither to be resumed nor to be replaced.
    """
    if args.output is None:
        raise InputError("--output is needed, e.g. --output models/mine")
    folder: Path = args.output
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--output {folder}: expected a folder, got a file")
    if (folder / "recipe.toml").exists() and not (args.resume or args.overwrite):
        raise InputError(f"--output {folder}: holds a model already; --resume goes on with it, --overwrite replaces it")
    return folder


if __name__ == "__main__":
    sys.exit(main())
