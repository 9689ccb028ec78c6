"""What the flags and the recipe of a training say together."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping
from typing import Any

from gnn_l2o._utils.errors import InputError, about
from gnn_l2o._utils.parse import read_toml
from gnn_l2o.learned import ARCHITECTURES, MiLoDoArchitecture
from gnn_l2o.learned.model import RECIPE, read_architecture
from gnn_l2o.training import (
    DEFAULT_ARCHITECTURE,
    LayerwiseConfig,
    TrainingConfig,
    config_of,
    fine_tuning,
    is_unrolled,
    quick_settings,
    read_layer_stages,
    read_stages,
    with_epochs,
    with_learning_rate,
)
from gnn_l2o.training.presets import PAPER_RECIPE, RENAMED, without_initialization

DATASET_SHORTHANDS = ("features", "samples", "l1_weight", "noise")
"""Flags that are short for a parameter of all datasets."""
SETTINGS = [f.name for f in dataclasses.fields(TrainingConfig)]
"""The names of the settings of a training on a mixture."""
LAYERWISE = [f.name for f in dataclasses.fields(LayerwiseConfig)]
"""The names of the settings of a training layer by layer."""
_QUICK_UPDATES = 10  # of a stage of a layer


def configuration(args: argparse.Namespace) -> TrainingConfig | LayerwiseConfig:
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
    unrolled = is_unrolled({"architecture": architecture})
    if unrolled:
        require_layerwise(architecture["kind"], given)
    short = quick_settings(read_architecture(architecture)) if args.quick and not unrolled else {}
    training |= {**short, **{k: given[k] for k in (LAYERWISE if unrolled else SETTINGS) if k in given}}
    if args.stages_config is not None:
        with about(stages_config=args.stages_config):
            training["stages"] = list((read_layer_stages if unrolled else read_stages)(args.stages_config))
    if "dataset" not in training:
        raise InputError("--dataset is needed, e.g. --dataset lasso:features=300,samples=10 (or --recipe)")
    if isinstance(training["dataset"], list):  # else it is refused below
        training["dataset"] = [with_shorthands(str(spec), given) for spec in training["dataset"]]
    config = config_of({"architecture": architecture, "training": training})
    return with_layer_stages(config, args) if isinstance(config, LayerwiseConfig) else with_stages(config, args)


def require_layerwise(kind: str, given: Mapping[str, Any]) -> None:
    """Check that no flag is given that the training of unrolled networks does not have.

    Raises:
        InputError: one is.
    """
    others = [name for name in (*SETTINGS, "epochs", "pretrained") if name not in LAYERWISE]
    for name in others:
        if name in given:
            with about(**{name: given[name]}):
                raise InputError(f"{kind} is an unrolled network, whose training has no such setting; leave it out")


def with_layer_stages(config: LayerwiseConfig, args: argparse.Namespace) -> LayerwiseConfig:
    """Return the configuration with the learning rates that the flags say, and few updates for a quick training.

    Raises:
        InputError: a learning rate is out of bounds.
    """
    stages = config.stages
    if args.quick:
        stages = tuple(dataclasses.replace(s, updates=min(s.updates, _QUICK_UPDATES)) for s in stages)
    if args.lr is not None:
        with about(lr=args.lr):
            stages = with_learning_rate(stages, args.lr)
    return dataclasses.replace(config, stages=stages)


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
            config_of(tables)  # what is wrong in it is not blamed on the flags
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
