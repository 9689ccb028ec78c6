"""Printing how far training is."""

from __future__ import annotations

import datetime
import time
from typing import Self

from gnn_l2o._utils.optional import optional
from gnn_l2o.training.trainer import TrainingRun

with optional("report"):
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text


class ProgressPrinter:
    """Print one line an epoch, with rate and time left; on a terminal also a live line that moves with every batch.

    Pass it to :class:`~gnn_l2o.training.TrainingRun` as ``report``, inside ``with``, which ends the live line.

    Args:
        console: where to print.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.live = Live(console=console, transient=True, auto_refresh=False) if console.is_terminal else None
        self.epochs = 0
        self.begun: tuple[float, int] | None = None  # time and iterations when this process began to train

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.live is not None:
            self.live.stop()

    def __call__(self, run: TrainingRun) -> None:
        progress = run.progress
        if self.begun is None:
            self.begun = time.monotonic(), progress.iterations
            self.epochs = len(progress.curve)
        if self.live is not None:
            self.live.start()
            self.live.update(Text(self._line(run)), refresh=True)
        if len(progress.curve) > self.epochs:
            self.epochs = len(progress.curve)
            point = progress.curve[-1]
            self.console.print(
                f"stage {point.stage}/{len(run.config.stages)} epoch {point.epoch}: loss {point.loss:.4f}, "
                f"validation {point.validation:.4f} (best {point.best:.4f}); {self._line(run)}",
                highlight=False,
                soft_wrap=True,
            )

    def _line(self, run: TrainingRun) -> str:
        assert self.begun is not None
        since, before = self.begun
        done, total = run.progress.iterations, run.total_iterations
        rate = (done - before) / max(time.monotonic() - since, 1e-9)
        left = f"{datetime.timedelta(seconds=round((total - done) / rate))} left" if rate > 0 else "time left unknown"
        return f"{done}/{total} iterations, {rate:.0f}/s, {left}"
