"""The training loop: stages, updates, recovery from divergence, validation, checkpoints."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
import torch

from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.files import write_text
from gnn_l2o._utils.optional import require
from gnn_l2o._utils.output_folder import claimed
from gnn_l2o.learned import GRID_SEARCH, save_weights
from gnn_l2o.learned.model import RECIPE, WEIGHTS, model_folder
from gnn_l2o.training.batch import Batch
from gnn_l2o.training.card import write_card
from gnn_l2o.training.checkpoint import CHECKPOINT, Checkpoint
from gnn_l2o.training.config import TrainingConfig
from gnn_l2o.training.curriculum import Verdict, verdict
from gnn_l2o.training.curve import CurvePoint, write_curve
from gnn_l2o.training.denormals import flush_denormals
from gnn_l2o.training.grid_search import ITERATIONS, PROBLEMS, LinearSource, grid_search
from gnn_l2o.training.learner import Learner, copy_of
from gnn_l2o.training.mixture import fitted
from gnn_l2o.training.pool import Pool
from gnn_l2o.training.rollout import validate
from gnn_l2o.training.stages import Stage


class TrainingRun(Learner):
    """One training run in its folder, from the beginning or from its checkpoint.

    Writes ``checkpoint.pt``, ``recipe.toml`` and ``weights.safetensors`` once the problems are solved, better weights,
    ``curve.csv`` and ``curve.png`` after every epoch, a new checkpoint every so often, and ``card.md`` in the end; all
    atomically. A run that is killed can therefore be resumed, to the same weights bit for bit (on as many CPU threads).

    Args:
        config: what to do; :attr:`config` adds to it what the architecture takes from the graph.
        folder: where to write.
        resume: continue from the folder's checkpoint; without one, begin, unless the folder holds a model.
        device: where to compute.
        report: called with this run after every batch and every epoch.
        checkpoint_seconds: how often to write a checkpoint.

    Raises:
        InputError: the optimizer cannot run on the mixture (:func:`~gnn_l2o.training.mixture.fitted`), or ``resume``
            from a model without a checkpoint or with one of another configuration, or ``folder`` is that of the
            pretrained model.
    """

    def __init__(
        self,
        config: TrainingConfig,
        folder: Path,
        *,
        resume: bool = False,
        device: torch.device | str = "cpu",
        report: Callable[[TrainingRun], None] = lambda run: None,
        checkpoint_seconds: float = 60.0,
    ) -> None:
        require("report", "matplotlib")  # for the curve
        self.config = config = fitted(config)
        if config.pretrained is not None and model_folder(config.pretrained).resolve() == folder.resolve():
            raise InputError(f"{folder} holds the pretrained model, which a run does not replace; name another folder")
        self.folder, self.device, self.report = folder, device, report
        self.checkpoint_seconds = checkpoint_seconds
        super().__init__(config, device)
        self.resumed = resume and self._resume()
        self._latest: Checkpoint | None = None  # where the run stood after the last whole batch
        self._last_checkpoint = time.monotonic()

    @cached_property
    def pool(self) -> Pool:
        """The training problems, drawn and solved at the first access."""
        return Pool(self.config, "training", self.config.problems, self.config.dtype)

    @cached_property
    def validation(self) -> list[Batch]:
        """The problems held out to choose the best weights."""
        held_out = Pool(self.config, "validation", self.config.validation_problems, self.config.dtype)
        return [b.to(self.device) for b in held_out.batches(self.config.batch_size)]

    @property
    def total_iterations(self) -> int:
        """Iterations of the optimizer in the whole run."""
        return sum(s.iterations * s.epochs * self.batches_per_epoch(s) for s in self.config.stages)

    def batches_per_epoch(self, stage: Stage) -> int:
        """Batches of an epoch of a stage."""
        return self.pool.batches_of(self.config.batch_size, stage.easiest)

    def run(self) -> None:
        """Train to the end; where that is interrupted (``KeyboardInterrupt``), write a checkpoint first.

        Raises:
            InputError: another process writes into the folder, the folder was deleted meanwhile, or training is in
                vain: every run diverged, or an epoch had no update.
            OSError: a file cannot be written.
        """
        with claimed(self.folder) as self._output, flush_denormals():
            try:
                self._run()
            except KeyboardInterrupt:
                if self._latest is not None:
                    self._write(self._latest)
                raise

    def _run(self) -> None:
        if not self.resumed:
            self._begin()
        write_text(self.folder / RECIPE, self.config.to_toml())
        progress = self.progress
        if not progress.iterations:
            save_weights(self.folder, self.weights, self.config.architecture)
        while progress.stage < len(self.config.stages):
            stage = self.config.stages[progress.stage]
            if self.config.patience is not None and not progress.improvements:
                self._begin_lesson()
            while (judgement := self._judge(stage)) is Verdict.CONTINUE:
                self._run_epoch(stage)
                progress.epoch += 1
            if judgement is Verdict.STOP:
                break
            progress.stage, progress.epoch, progress.improvements = progress.stage + 1, 0, []
        self.save_checkpoint()
        write_card(self)

    def _begin_lesson(self) -> None:
        """Begin a stage of a curriculum: with the best weights, judged at the horizon beyond that of the stage."""
        self._restore_best()
        self.progress.best = self._validate()

    def _judge(self, stage: Stage) -> Verdict:
        """Return whether the stage goes on."""
        progress, patience = self.progress, self.config.patience
        if patience is None:
            return Verdict.CONTINUE if progress.epoch < stage.epochs else Verdict.ADVANCE
        return verdict(progress.improvements, patience, stage.epochs)

    def _begin(self) -> None:
        """Draw and solve the problems, initialize, and write the first checkpoint."""
        if self.config.init == GRID_SEARCH:
            self._grid_search()
        self.progress.best = self._validate()
        (self.folder / RECIPE).unlink(missing_ok=True)  # that of a model which is replaced does not fit the checkpoint
        self.save_checkpoint()

    def _grid_search(self) -> None:
        """Initialize the weights by trying constants."""
        batches = [b.to(self.device) for b in self.pool.some(PROBLEMS)]
        iterations = min(ITERATIONS, self.config.validation_iterations)
        grid_search(cast(LinearSource, self.weights), self.algorithm, batches, iterations)
        self.best_weights = copy_of(self.weights)
        self.average.module.load_state_dict(self.best_weights)

    def _run_epoch(self, stage: Stage) -> None:
        progress = self.progress
        # The order follows from the position alone, so that a resumed run goes on with the same batches.
        random = np.random.default_rng([self.config.seed, 3, progress.stage, progress.epoch])
        batches = self.pool.batches(self.config.batch_size, random, stage.easiest)
        while progress.batch < len(batches):
            started = time.monotonic()
            progress.losses.append(self._learn_from(batches[progress.batch].to(self.device), stage))
            progress.batch += 1
            progress.iterations += stage.iterations
            progress.seconds += time.monotonic() - started
            self._output.check()
            self._latest = self._checkpoint()
            self.report(self)
            if time.monotonic() - self._last_checkpoint > self.checkpoint_seconds:
                self._write(self._latest)
        self._finish_epoch()

    def _finish_epoch(self) -> None:
        progress = self.progress
        if progress.updates == (progress.curve[-1].updates if progress.curve else 0):
            why = "no batch gave a finite gradient; expected a shorter truncation_length"
            if not np.isfinite(progress.losses).any():
                why = "every run diverged; expected another initialization (init)"
            where = f"epoch {progress.epoch + 1} of stage {progress.stage + 1}"
            raise InputError(f"{where} ended without an update: {why} or a smaller initial_step_size")
        started = time.monotonic()
        value = self._validate()
        progress.improvements.append(value < progress.best)
        if value < progress.best:
            progress.best = value
            self.best_weights = copy_of(self.average.module)
            save_weights(self.folder, self.average.module, self.config.architecture)
        elif math.isfinite(progress.best):  # else there is nothing better to go back to
            if math.isinf(value) or value > progress.best + self.loss.tolerance:
                self._roll_back()
        progress.seconds += time.monotonic() - started
        progress.curve.append(
            CurvePoint(
                stage=progress.stage + 1,
                epoch=progress.epoch + 1,
                updates=progress.updates,
                loss=float(np.mean(progress.losses)),
                validation=value,
                best=progress.best,
                rollbacks=progress.rollbacks,
                seconds=progress.seconds,
            )
        )
        progress.losses, progress.batch = [], 0
        write_curve(self.folder, progress.curve, self.loss.label)
        self.report(self)

    def _validate(self) -> float:
        return validate(self.judged, self.validation, self.config.validation_horizon(self.progress.stage), self.loss)

    def save_checkpoint(self) -> None:
        """Write everything that is needed to go on from here, between two batches."""
        self._latest = self._checkpoint()
        self._write(self._latest)

    def _checkpoint(self) -> Checkpoint:
        """Return a copy of everything that is needed to go on from here."""
        return copy.deepcopy(
            Checkpoint(
                config=self.config.to_dict(),
                weights=self.weights.state_dict(),
                average=self.average.state_dict(),
                best_weights=self.best_weights,
                optimizer=self.optimizer.state_dict(),
                imitation_optimizer=self.imitation_optimizer.state_dict(),
                progress=self.progress,
            )
        )

    def _write(self, checkpoint: Checkpoint) -> None:
        checkpoint.save(self.folder / CHECKPOINT)
        self._last_checkpoint = time.monotonic()

    def _resume(self) -> bool:
        """Continue from the checkpoint; return whether there is one."""
        if not (self.folder / CHECKPOINT).is_file():
            if (self.folder / WEIGHTS).is_file():
                raise InputError(f"{self.folder} holds a model without a {CHECKPOINT}; overwrite it")
            return False
        checkpoint = Checkpoint.load(self.folder / CHECKPOINT, self.config.to_dict(), self.device)
        try:
            self.weights.load_state_dict(checkpoint.weights)
            self.average.load_state_dict(checkpoint.average)
            self.optimizer.load_state_dict(checkpoint.optimizer)
            if checkpoint.imitation_optimizer:
                self.imitation_optimizer.load_state_dict(checkpoint.imitation_optimizer)
        except (RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"the checkpoint in {self.folder} does not fit the architecture: {reason}") from None
        self.best_weights, self.progress = checkpoint.best_weights, checkpoint.progress
        return True
