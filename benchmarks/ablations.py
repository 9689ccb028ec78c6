"""What each part of the default optimizer and of its training is worth: variants of its recipe, trained side by side.

Every variant trains by a recipe, by default that of ``models/milodo_gnn``, with one change, for a share of its epochs.
Whatever loss it was trained with, its best weights are then judged on the same problems, drawn from the same mixture
and held out from all variants: the mean of log10 of the relative optimality gap, over problems and evenly spaced
iterations up to ``validation_iterations``. Lower is better.

Run it with ``python benchmarks/ablations.py``, perhaps ``--variants default restart --seeds 0 1``. Begun again with the
same settings, it goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.files import write_text
from gnn_l2o._utils.fingerprint import fingerprint
from gnn_l2o._utils.source import source_fingerprint
from gnn_l2o.cli.training_progress import training_progress
from gnn_l2o.evaluation.tables import Table
from gnn_l2o.learned import ARCHITECTURES, load_model
from gnn_l2o.learned.model import WEIGHTS
from gnn_l2o.plugins import PROJECT
from gnn_l2o.training import Stage, TrainingConfig, TrainingRun, read_recipe
from gnn_l2o.training.batch import Batch
from gnn_l2o.training.checkpoint import CHECKPOINT
from gnn_l2o.training.losses import Area
from gnn_l2o.training.pool import Pool
from gnn_l2o.training.rollout import validate

JUDGES_SEED = 1000  # of the problems that variants are judged on; no variant is trained with it


@dataclass(frozen=True)
class Variant:
    """A change of the base recipe.

    Attributes:
        architecture: the settings that differ; those of the base that another kind does not have are left out.
        training: the same of the training, stages apart.
        rates: factor on all learning rates.
    """

    architecture: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    rates: float = 1.0

    def config(self, base: TrainingConfig, seed: int, epochs_scale: float) -> TrainingConfig:
        """Return the base with the change, trained for ``epochs_scale`` of its epochs, at least one a stage.

        Raises:
            InputError: there is no such setting.
        """
        architecture = {**base.architecture.to_dict(), **self.architecture}
        kind = ARCHITECTURES[architecture["kind"]]
        known = {"kind", *(f.name for f in dataclasses.fields(kind)), *self.architecture}
        architecture = {name: value for name, value in architecture.items() if name in known}
        stages = [dataclasses.asdict(self._stage(stage, epochs_scale)) for stage in base.stages]
        training = {**base.to_dict()["training"], **self.training, "seed": seed, "stages": stages}
        return TrainingConfig.from_dict({"architecture": architecture, "training": training})

    def _stage(self, stage: Stage, epochs_scale: float) -> Stage:
        epochs = max(1, round(stage.epochs * epochs_scale))
        return dataclasses.replace(stage, lr=stage.lr * self.rates, epochs=epochs)


# As in models/learned_scalars_momentum: so few weights train well only at higher learning rates.
SCALARS = {"kind": "learned_scalars", "linear": True}
SCALARS_RATES = 5.0

VARIANTS: dict[str, Variant] = {
    "default": Variant(),
    "no_spectral_gap": Variant({"spectral_gap": False}),
    "symmetrize_mean": Variant({"symmetrize": "mean"}),
    "recompute_every_1": Variant({"recompute_every": 1}),
    "recompute_every_25": Variant({"recompute_every": 25}),
    "warmup_6": Variant({"warmup": 6}),
    "warmup_40": Variant({"warmup": 40}),
    "width_8": Variant({"hidden_features": 8}),
    "width_32": Variant({"hidden_features": 32}),
    "raw_features": Variant({"log_features": False}),
    "init_averaging": Variant(training={"init": "averaging"}),
    "no_skip_connection": Variant({"skip_connection": False}, {"init": "averaging"}),
    "edge_weights_coordinate": Variant({"edge_weights": "coordinate"}),
    "edge_weights_edge": Variant({"edge_weights": "edge"}),
    "restart": Variant({"restart": True}),
    "no_momentum": Variant({"accelerated": False}),
    "no_momentum_chebyshev_3": Variant({"accelerated": False, "chebyshev_steps": 3}),
    "log_gap_loss": Variant(training={"loss": "log_gap"}),
    "area_loss": Variant(training={"loss": "area"}),
    "no_ema": Variant(training={"ema": 0.0}),
    "low_rates": Variant(rates=0.1),
    "scalars": Variant({**SCALARS, "accelerated": True}, rates=SCALARS_RATES),
    "scalars_no_momentum": Variant({**SCALARS, "accelerated": False}, rates=SCALARS_RATES),
    "no_edges": Variant({"edges": False}),
    "no_diagonal": Variant({"diagonal": False}),
    "warmup_32": Variant({"warmup": 32}),
}


class Judge:
    """Judges all variants on the same problems, as many of each family as the mixture gives it.

    Args:
        base: its mixture, ``validation_problems`` and ``validation_iterations`` are taken.
    """

    def __init__(self, base: TrainingConfig) -> None:
        self.base = base
        self.families = defaultdict(list)
        for spec in base.dataset:
            self.families[spec.partition(":")[0]].append(spec)
        self.counts = {
            family: max(1, round(base.validation_problems * len(specs) / len(base.dataset)))
            for family, specs in self.families.items()
        }

    @cached_property
    def batches(self) -> dict[str, list[Batch]]:
        """The problems by family, drawn and solved at the first access."""
        batches = {}
        for family, specs in self.families.items():
            config = dataclasses.replace(self.base, dataset=tuple(specs), seed=JUDGES_SEED)
            count = self.counts[family]
            batches[family] = Pool(config, "validation", count, torch.float32).batches(count)
        return batches

    def __call__(self, folder: Path) -> dict[str, float]:
        """Return the value of a trained model on every family and on all problems; inf on divergence.

        The values are stored beside the model, and are taken from there for the same weights, problems and code.
        """
        path = folder / "judged.json"
        key = fingerprint(self.base, JUDGES_SEED, folder / WEIGHTS, source_fingerprint(Pool, load_model, validate))
        stored = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        if stored.get("key") != key:
            stored = {"key": key, "values": self._judge(folder)}
            write_text(path, json.dumps(stored))
        return stored["values"]

    def _judge(self, folder: Path) -> dict[str, float]:
        model, iterations = load_model(folder.resolve()), self.base.validation_iterations
        values = {family: validate(model, batches, iterations, Area()) for family, batches in self.batches.items()}
        total = sum(self.counts[family] * value for family, value in values.items())
        return {**values, "all": total / sum(self.counts.values())}


@dataclass(frozen=True)
class Outcome:
    """The result of one variant with one seed.

    Attributes:
        variant: its name.
        values: see :class:`Judge`.
        seconds: of training.
        weights: how many there are.
    """

    variant: str
    values: Mapping[str, float]
    seconds: float
    weights: int


def train(
    config: TrainingConfig,
    folder: Path,
    console: Console,
    *,
    only: Sequence[str] | None = None,
    pool: Pool | None = None,
) -> TrainingRun:
    """Train, or go on with what ``folder`` holds, to the end; a finished run stays as it is.

    Args:
        config: of the training.
        folder: of the trained model.
        console: for progress.
        only: the names of the weights that are trained; by default all.
        pool: the training problems, if they have been drawn already.
    """
    with training_progress(console) as report:
        run = TrainingRun(config, folder, resume=(folder / CHECKPOINT).is_file(), report=report)
        for name, weight in run.weights.named_parameters():
            weight.requires_grad_(only is None or name in only)
        if pool is not None:
            run.pool = pool
        run.run()
    return run


def row(name: str, outcomes: Sequence[Outcome]) -> dict[str, str]:
    """Return the row of a variant: means over the seeds, and each seed's value."""
    trained = outcomes[0].variant
    mean = {column: statistics.mean(o.values[column] for o in outcomes) for column in outcomes[0].values}
    return {
        "variant": name if name == trained else f"{name} (as {trained})",
        "weights": f"{outcomes[0].weights:,}",
        **{column: f"{value:.3f}" for column, value in mean.items()},
        "each seed": " / ".join(f"{o.values['all']:.3f}" for o in outcomes),
        "seconds": f"{statistics.mean(o.seconds for o in outcomes):.0f}",
    }


def parse(argv: Sequence[str] | None) -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="NAME", help=", ".join(VARIANTS))
    add("--epochs_scale", type=float, default=0.5, help="share of the recipe's epochs (default: %(default)s)")
    add("--problems", type=int, help="to train on (default: as many as the recipe has)")
    add("--seeds", type=int, nargs="+", default=[0], help="of training (default: 0)")
    add("--recipe", type=Path, default=PROJECT / "models/milodo_gnn/recipe.toml", help="the base of all variants")
    add("--output", type=Path, default=Path("out/ablations"), help="folder (default: %(default)s)")
    add("--threads", type=int, default=1, help="CPU threads (default: %(default)s; more wait for each other)")
    return parser, parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Train, judge and print; the table is also written to ``ablations.md`` after every variant."""
    parser, args = parse(argv)
    torch.set_num_threads(args.threads)
    console = Console()
    try:
        base = read_recipe(args.recipe)
        base = dataclasses.replace(base, problems=args.problems or base.problems)
        # All at once, so that a setting that does not exist stops the first variant and not the last.
        configs = {
            name: [VARIANTS[name].config(base, seed, args.epochs_scale) for seed in args.seeds]
            for name in args.variants
        }
        judge = Judge(base)
        outcomes: dict[TrainingConfig, Outcome] = {}
        rows = []
        for name in args.variants:
            for seed, config in zip(args.seeds, configs[name], strict=True):
                if config in outcomes:  # the base has this setting: another variant is the same
                    continue
                console.print(f"{name}, seed {seed}", highlight=False)
                run = train(config, args.output / name / f"seed_{seed}", console)
                weights = sum(p.numel() for p in run.weights.parameters())
                outcomes[config] = Outcome(name, judge(run.folder), run.progress.seconds, weights)
            rows.append(row(name, [outcomes[config] for config in configs[name]]))
            table = Table("ablations", rows, words=("variant", "each seed"))
            write_text(args.output / "ablations.md", f"{table.markdown()}\n")
    except InputError as error:
        parser.error(error.on_command_line())
    print(table.markdown())


if __name__ == "__main__":
    main()
