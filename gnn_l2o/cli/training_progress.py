"""What is said on stderr while an optimizer is trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gnn_l2o._utils.optional import optional
from gnn_l2o.cli.progress import Report, duration, logging_to_stderr, progress
from gnn_l2o.training import LayerwiseRun, TrainingRun

with optional("report"):
    from rich.console import Console


@contextmanager
def training_progress(console: Console) -> Iterator[TrainingPrinter]:
    """Yield what a :class:`~gnn_l2o.training.TrainingRun` takes as ``report``, and a :class:`.LayerwiseRun` of layers.

    It prints the plan after the first batch, when the time that it takes can be estimated, and a line after every
    epoch. Meanwhile :func:`~gnn_l2o.cli.progress.progress` shows how far training is.
    """
    with logging_to_stderr(quiet=False, verbose=False), progress(console) as tell:
        tell("drawing and solving the problems", 0.0)
        yield TrainingPrinter(console, tell)


class TrainingPrinter:
    """Prints what :func:`training_progress` says."""

    def __init__(self, console: Console, tell: Report) -> None:
        self._console, self._tell = console, tell
        self._begun: int | None = None  # iterations that were done when this process began to train
        self._epochs = 0

    def __call__(self, run: TrainingRun) -> None:
        position = run.progress
        if self._begun is None:
            self._begun = position.iterations
            self._epochs = len(position.curve)
            self._print(plan(run))
        if len(position.curve) > self._epochs:
            self._epochs = len(position.curve)
            point = position.curve[-1]
            self._print(
                f"stage {point.stage}/{len(run.config.stages)} epoch {point.epoch}: loss {point.loss:.4f}, "
                f"validation {point.validation:.4f} (best {point.best:.4f})"
            )
        left = run.total_iterations - self._begun
        done = position.iterations - self._begun
        self._tell(f"{position.iterations}/{run.total_iterations} iterations", done / left if left else 1.0)

    def of_layers(self, run: LayerwiseRun) -> None:
        """Report on a run that trains layer by layer: a line for every layer."""
        position = run.progress
        if self._begun is None:
            self._begun = position.iterations
            seconds = position.seconds / max(1, position.iterations) * (run.total_iterations - position.iterations)
            self._print(
                f"{run.total_iterations} updates at most, of {run.total_stages} stages; at the speed of the first one "
                f"{duration(seconds)}, and longer since later layers are deeper"
            )
        if position.batch == 0 and position.curve:
            point = position.curve[-1]
            self._print(f"layer {point.stage}/{len(run.weights)}: {point.best:.2f} ({run.network.validation_label})")
        left = run.total_iterations - self._begun
        done = position.iterations - self._begun
        self._tell(f"{position.iterations}/{run.total_iterations} updates", done / left if left else 1.0)

    def _print(self, line: str) -> None:
        self._console.print(line, highlight=False, soft_wrap=True)


def plan(run: TrainingRun) -> str:
    """Return in a line what a run that has begun will do, and how long it is going to take."""
    stages, position = run.config.stages, run.progress
    epochs = " + ".join(str(stage.epochs) for stage in stages)
    updates = sum(run.batches_per_epoch(s) * s.epochs * (s.iterations // s.truncation_length) for s in stages)
    seconds = position.seconds / position.iterations * (run.total_iterations - position.iterations)
    return (
        f"{run.config.problems} problems, epochs of the stages {epochs}, at most {updates} updates, "
        f"about {duration(seconds)}"
    )
