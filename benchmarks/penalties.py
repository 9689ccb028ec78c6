"""What networks bring over simpler ways to choose the penalties of MiLoDo's rule with local solves.

All ways are trained on problems of one mixture and judged on the same held-out problems of it: how many rounds a run
takes to a relative optimality gap of 1e-4, beside the best constant level of every problem, which is found by trying
all levels on the judged problem itself. The ways are

- ``constant``: one level for all problems, the best of the levels on the training problems;
- ``scalars``: the level, the power of the Hessian's diagonal and the relaxation, three trained numbers;
- ``regression``: the level by linear regression on what is known before the first iteration, which is the grid-search
  initialization without any training;
- ``start``: levels, powers and relaxation by networks of what is known before the first iteration, trained;
- ``networks``: the whole of the architecture, trained as long;
- ``released``: a trained model, ``--model``.

Run it with ``python -m benchmarks.penalties --seeds 0 1 2``. Begun again with the same settings, it goes on where it
was stopped.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch
from rich.console import Console
from torch import Tensor

from benchmarks.ablations import JUDGES_SEED, Variant, train
from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.files import write_text
from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.driver import Driver
from gnn_l2o.evaluation.tables import Table
from gnn_l2o.learned import load_model
from gnn_l2o.nn.penalty_network import LEVELS, PenaltyNetwork
from gnn_l2o.plugins import PROJECT
from gnn_l2o.training import TrainingConfig, read_recipe
from gnn_l2o.training.batch import Batch
from gnn_l2o.training.grid_search import PROBLEMS, LinearSource, grid_search
from gnn_l2o.training.pool import Pool
from gnn_l2o.training.rollout import OPTIMALITY_GAP, measurements

TOLERANCE = 1e-4
SIDE_BY_SIDE = 16  # problems that are judged together
AT_START = {"warmup": 0}  # the networks emit before the first iteration and never again
SCALARS = ("first_linear.bias", "power.bias", "relaxation.bias")
SCALARS_RATES = 5.0  # so few weights train well only at higher learning rates


@torch.no_grad()
def rounds(algorithm: Algorithm[Any], batches: Sequence[Batch], iterations: int) -> Tensor:
    """Return the rounds of every problem to the tolerance; 1.5 times the iterations where these do not suffice."""
    counted = []
    for batch in batches:
        driver = Driver(algorithm, batch.problem, batch.network, batch.x0)
        reached = torch.full_like(batch.optimum, 1.5 * iterations)
        for standing in measurements(driver, batch, range(1, iterations + 1)):
            arrived = standing.measures[OPTIMALITY_GAP] < TOLERANCE
            reached[arrived] = reached[arrived].clamp(max=standing.iteration)
            if bool((reached <= iterations).all()):
                break
        counted.append(reached)
    return torch.cat(counted)


class Comparison:
    """Trains every way to choose penalties, and judges it.

    Args:
        base: the recipe, of a kind with local solves.
        epochs_scale: share of its epochs.
        output: folder of the trainings.
        iterations: of the runs that are judged.
    """

    def __init__(self, base: TrainingConfig, epochs_scale: float, output: Path, iterations: int) -> None:
        self.base, self.epochs_scale, self.output, self.iterations = base, epochs_scale, output, iterations
        self.pools: dict[int, Pool] = {}

    @cached_property
    def judged(self) -> list[Batch]:
        """The problems that nothing is trained on."""
        config = dataclasses.replace(self.base, seed=JUDGES_SEED)
        return Pool(config, "validation", config.validation_problems, config.dtype).batches(SIDE_BY_SIDE)

    @cached_property
    def levels(self) -> Tensor:
        """The rounds of every constant level on every judged problem, ``(levels, problems)``."""
        return self._of_levels(self.judged)

    def constant(self, seed: int) -> Tensor:
        """The level that is best on training problems."""
        on_training = self._of_levels(self._pool(seed).some(self.base.validation_problems))
        return self.levels[int(on_training.log().mean(dim=1).argmin())]

    def scalars(self, seed: int) -> Tensor:
        """Three trained numbers."""
        return self._trained("scalars", seed, Variant(AT_START, {"init": "constant"}, SCALARS_RATES), SCALARS)

    def regression(self, seed: int) -> Tensor:
        """Levels by linear regression."""
        config = Variant(AT_START).config(self.base, seed, self.epochs_scale)
        weights = config.build()
        algorithm = config.architecture.algorithm(weights)
        grid_search(
            cast(LinearSource, weights), algorithm, self._pool(seed).some(PROBLEMS), config.validation_iterations
        )
        return rounds(algorithm, self.judged, self.iterations)

    def start(self, seed: int) -> Tensor:
        """Networks that emit once."""
        return self._trained("start", seed, Variant(AT_START))

    def networks(self, seed: int) -> Tensor:
        """The whole architecture."""
        return self._trained("networks", seed, Variant())

    def released(self, model: str) -> Tensor:
        """A trained model."""
        return rounds(load_model(model).to(dtype=self.base.dtype), self.judged, self.iterations)

    def _of_levels(self, batches: Sequence[Batch]) -> Tensor:
        architecture = Variant(AT_START).config(self.base, 0, 1.0).architecture
        weights = PenaltyNetwork().to(self.base.dtype)
        algorithm = architecture.algorithm(weights)
        counted = []
        for level in LEVELS:
            weights.emit(level)
            counted.append(rounds(algorithm, batches, self.iterations))
        return torch.stack(counted)

    def _pool(self, seed: int) -> Pool:
        if seed not in self.pools:
            config = dataclasses.replace(self.base, seed=seed)
            self.pools[seed] = Pool(config, "training", config.problems, config.dtype)
        return self.pools[seed]

    def _trained(self, name: str, seed: int, variant: Variant, only: Sequence[str] | None = None) -> Tensor:
        """Train a variant, only the weights of these names if there are any, and return its rounds."""
        config = variant.config(self.base, seed, self.epochs_scale)
        folder = self.output / name / f"seed_{seed}"
        train(config, folder, Console(), only=only, pool=self._pool(seed))
        return self.released(str(folder.resolve()))


def row(name: str, best: Tensor, found: Sequence[Tensor]) -> dict[str, str]:
    """Return a row of the table: geometric means over the problems, and then over the seeds."""
    speeds = [(best / one).log() for one in found]
    typical = [float(one.mean().exp()) for one in speeds]
    return {
        "penalties": name,
        "rounds": f"{statistics.geometric_mean(float(one.log().mean().exp()) for one in found):.1f}",
        "speed beside the best level": f"{statistics.geometric_mean(typical):.2f}",
        "its worst tenth": f"{statistics.geometric_mean(float(one.quantile(0.1).exp()) for one in speeds):.2f}",
        "each seed": " / ".join(f"{one:.2f}" for one in typical),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Train, judge and print; the table is also written to ``penalties.md`` after every row."""
    parser = argparse.ArgumentParser(
        description=__doc__, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--epochs_scale", type=float, default=1.0, help="share of the recipe's epochs (default: %(default)s)")
    add("--problems", type=int, help="to train on (default: as many as the recipe has)")
    add("--seeds", type=int, nargs="+", default=[0], help="of training (default: 0)")
    add("--iterations", type=int, default=200, help="of the runs that are judged (default: %(default)s)")
    add("--recipe", type=Path, default=PROJECT / "benchmarks/penalties.toml", help="the base of all trainings")
    add("--model", default="milodo_local", help="a trained model to judge as well (default: %(default)s)")
    add("--output", type=Path, default=Path("out/penalties"), help="folder (default: %(default)s)")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    try:
        base = read_recipe(args.recipe)
        base = dataclasses.replace(base, problems=args.problems or base.problems)
        comparison = Comparison(base, args.epochs_scale, args.output, args.iterations)
        best = comparison.levels.amin(dim=0)
        rows = [row("best level of every problem", best, [best])]
        ways: tuple[Callable[[int], Tensor], ...] = (
            comparison.constant,
            comparison.scalars,
            comparison.regression,
            comparison.start,
            comparison.networks,
        )
        rows.append(row(args.model, best, [comparison.released(args.model)]))
        for way in ways:
            rows.append(row(way.__name__, best, [way(seed) for seed in args.seeds]))
            table = Table("penalties", rows, words=("penalties", "each seed"))
            write_text(args.output / "penalties.md", f"{table.markdown()}\n")
    except InputError as error:
        parser.error(error.on_command_line())
    print(table.markdown())


if __name__ == "__main__":
    main()
