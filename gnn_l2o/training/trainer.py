"""The training loop: stages, updates, recovery from divergence, validation, checkpoints."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.files import write_atomically, write_text
from gnn_l2o.algorithms.base import detach
from gnn_l2o.learned import GRID_SEARCH, save_weights
from gnn_l2o.learned.model import RECIPE, model_folder
from gnn_l2o.training.config import LossName, Stage, TrainingConfig
from gnn_l2o.training.curve import CurvePoint, write_curve
from gnn_l2o.training.grid_search import ITERATIONS, PROBLEMS, LinearSource, scout
from gnn_l2o.training.losses import measured_iterations
from gnn_l2o.training.mixture import fitted
from gnn_l2o.training.pool import Batch, Pool
from gnn_l2o.training.rollout import run_segment, validate

CHECKPOINT = "checkpoint.pt"
_TOLERATED: dict[LossName, float] = {"area": 0.1, "log_area": 0.1}
"""Decades by which validation may get worse from the best on before the weights are taken back, too. Not by the other
losses, whose log-spaced iterations make it swing by more without harm."""
_PATIENCE = 10  # updates in a row that may fail before the weights are taken back to the best ones


@dataclass
class Progress:
    """Where a run stands; everything in it but the times depends on the configuration alone.

    Attributes:
        stage, epoch, batch: the next batch.
        updates: weight updates so far.
        failures: updates in a row that diverged or had no finite gradient.
        setbacks: times the weights were taken back to the best ones; each halves the learning rate.
        best: the best validation value.
        curve: one point an epoch.
        losses: of the batches of this epoch.
        iterations: optimizee iterations so far, of :attr:`TrainingRun.total_iterations`.
        seconds: time spent.
    """

    stage: int = 0
    epoch: int = 0
    batch: int = 0
    updates: int = 0
    failures: int = 0
    setbacks: int = 0
    best: float = math.inf
    curve: list[CurvePoint] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    iterations: int = 0
    seconds: float = 0.0


class TrainingRun:
    """One training run in its folder, from the beginning or from its checkpoint.

    Writes ``recipe.toml`` at once, ``weights.safetensors`` (the best on the validation problems), ``curve.csv`` and
    ``curve.png`` after every epoch, and ``checkpoint.pt`` every so often; all atomically, so that a run that is killed
    loses at most the time since its last checkpoint and, resumed, ends in the same weights bit for bit (on a CPU with
    the same number of threads).

    Args:
        config: what to do; :attr:`config` adds to it what the architecture takes from the graph.
        folder: where to write.
        resume: continue from the folder's checkpoint.
        device: where to compute.
        report: called with this run after every batch and every epoch.
        checkpoint_seconds: how often to write a checkpoint.

    Raises:
        InputError: the optimizer cannot run on the mixture (:func:`~gnn_l2o.training.mixture.fitted`), or ``resume``
            without a checkpoint or with one of another configuration, or ``folder`` is that of the model to start from.
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
        self.config = config = fitted(config)
        if config.pretrained is not None and model_folder(config.pretrained).resolve() == folder.resolve():
            raise InputError(
                f"{folder} holds the model to start from, which a run does not replace; name another folder"
            )
        self.folder, self.device, self.report = folder, device, report
        self.checkpoint_seconds = checkpoint_seconds
        self.weights = config.build().to(device)
        self.algorithm = config.architecture.algorithm(self.weights)
        # What is judged, kept and saved: with ema = 0 it equals the weights.
        self.average = AveragedModel(self.weights, avg_fn=lambda mean, new, _: new.lerp(mean, config.ema))
        self.judged = config.architecture.algorithm(self.average.module)
        self.optimizer = torch.optim.Adam(self.weights.parameters(), weight_decay=config.weight_decay)
        self.best_weights = _copy_of(self.weights)
        self.progress = Progress()
        if resume:
            self._load_checkpoint()
        self._last_checkpoint = time.monotonic()

    @cached_property
    def pool(self) -> Pool:
        """The training problems, drawn and solved when they are first asked for."""
        return Pool(self.config, "training", self.config.problems, torch.float32)

    @cached_property
    def validation(self) -> list[Batch]:
        """The problems held out to choose the best weights."""
        held_out = Pool(self.config, "validation", self.config.validation_problems, torch.float32)
        return [b.to(self.device) for b in held_out.batches(self.config.batch_size)]

    @property
    def total_iterations(self) -> int:
        """Optimizee iterations of the whole run."""
        return sum(s.iterations * s.epochs * self._batches_per_epoch for s in self.config.stages)

    @property
    def _batches_per_epoch(self) -> int:
        return sum(math.ceil(len(g) / self.config.batch_size) for g in self.pool.groups)

    def run(self) -> None:
        """Train to the end."""
        # What has converged in single precision goes on shrinking through denormal numbers, which are slow to compute.
        torch.set_flush_denormal(True)
        write_text(self.folder / RECIPE, self.config.to_toml())
        if not self.progress.iterations:
            if self.config.init == GRID_SEARCH:
                self._scout()
            self.progress.best = self._validate()
            save_weights(self.folder, self.weights, self.config.architecture)
        progress = self.progress
        while progress.stage < len(self.config.stages):
            stage = self.config.stages[progress.stage]
            while progress.epoch < stage.epochs:
                self._run_epoch(stage)
                progress.epoch += 1
            progress.stage, progress.epoch = progress.stage + 1, 0
        self.save_checkpoint()

    def _scout(self) -> None:
        """Move the weights to a start that is found by trying constants."""
        batches = [b.to(self.device) for b in self.pool.some(PROBLEMS)]
        iterations = min(ITERATIONS, self.config.validation_iterations)
        scout(cast(LinearSource, self.weights), self.algorithm, batches, iterations)
        self.best_weights = _copy_of(self.weights)
        self.average.module.load_state_dict(self.best_weights)

    def _run_epoch(self, stage: Stage) -> None:
        progress = self.progress
        # The order follows from the position alone, so that a resumed run goes on with the same batches.
        random = np.random.default_rng([self.config.seed, 3, progress.stage, progress.epoch])
        batches = self.pool.batches(self.config.batch_size, random)
        while progress.batch < len(batches):
            started = time.monotonic()
            progress.losses.append(self._train_on(batches[progress.batch].to(self.device), stage))
            progress.batch += 1
            progress.iterations += stage.iterations
            progress.seconds += time.monotonic() - started
            self.report(self)
            if time.monotonic() - self._last_checkpoint > self.checkpoint_seconds:
                self.save_checkpoint()
        self._finish_epoch()

    def _train_on(self, batch: Batch, stage: Stage) -> float:
        """Run one batch through a stage's iterations, updating after every segment; return the mean loss."""
        measured = measured_iterations(self.config.loss, stage.iterations)
        state = self.algorithm.init(batch.problem.draw(0), batch.network, batch.x0)
        losses = []
        length = stage.truncation_length
        for done in range(0, stage.iterations, length):
            steps = range(done + 1, done + length + 1)
            segment = run_segment(self.algorithm, batch, detach(state), steps, self.config.loss, measured)
            losses.append(segment.loss.item())
            state = segment.state
            if not segment.loss.requires_grad:
                continue  # the gains were held all the while, cut off from the weights: there is nothing to learn
            updated = self._update(segment.loss, stage)
            self.progress.failures = self.progress.failures + 1 if segment.diverged or not updated else 0
            if self.progress.failures >= _PATIENCE:
                self._take_back()
            if segment.diverged or not updated:
                break
        return float(np.mean(losses))

    def _update(self, loss: torch.Tensor, stage: Stage) -> bool:
        """Take one step of Adam; return whether the gradient was finite (if not, nothing is changed)."""
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        norm = torch.nn.utils.clip_grad_norm_(self.weights.parameters(), self.config.clip)
        if not bool(norm.isfinite()):
            return False
        for group in self.optimizer.param_groups:
            group["lr"] = stage.lr / 2**self.progress.setbacks
        self.optimizer.step()
        self.average.update_parameters(self.weights)
        self.progress.updates += 1
        return True

    def _take_back(self) -> None:
        """Return to the best weights with half the learning rate and fresh moments: training has come to grief."""
        self.weights.load_state_dict(self.best_weights)
        self.average.module.load_state_dict(self.best_weights)
        self.average.n_averaged.zero_()  # it begins anew with the next update
        self.optimizer.state.clear()
        self.progress.failures = 0
        self.progress.setbacks += 1

    def _finish_epoch(self) -> None:
        progress = self.progress
        if not progress.updates and not np.isfinite(progress.losses).any():
            raise InputError(
                "every run of the first epoch diverged so fast that nothing was learned; "
                "start elsewhere (init) or with shorter steps (initial_step_size)"
            )
        started = time.monotonic()
        value = self._validate()
        if value < progress.best:
            progress.best = value
            self.best_weights = _copy_of(self.average.module)
            save_weights(self.folder, self.average.module, self.config.architecture)
        elif math.isfinite(progress.best):  # else there is nothing better to go back to
            tolerated = progress.best + _TOLERATED.get(self.config.loss, math.inf)
            if math.isinf(value) or value > tolerated:
                self._take_back()
        progress.seconds += time.monotonic() - started
        progress.curve.append(
            CurvePoint(
                stage=progress.stage + 1,
                epoch=progress.epoch + 1,
                updates=progress.updates,
                loss=float(np.mean(progress.losses)),
                validation=value,
                best=progress.best,
                setbacks=progress.setbacks,
                seconds=progress.seconds,
            )
        )
        progress.losses, progress.batch = [], 0
        write_curve(self.folder, progress.curve)
        self.report(self)

    def _validate(self) -> float:
        config = self.config
        return validate(self.judged, self.validation, config.validation_iterations, config.loss)

    def save_checkpoint(self) -> None:
        """Write everything that is needed to go on from here."""
        content = {
            "config": self.config.to_dict(),
            "weights": _copy_of(self.weights),
            "average": _copy_of(self.average),
            "best_weights": self.best_weights,
            "optimizer": self.optimizer.state_dict(),
            "progress": dataclasses.asdict(self.progress),
        }
        write_atomically(self.folder / CHECKPOINT, lambda path: torch.save(content, path))
        self._last_checkpoint = time.monotonic()

    def _load_checkpoint(self) -> None:
        path = self.folder / CHECKPOINT
        if not path.is_file():
            raise InputError(f"there is no checkpoint {path} to resume from")
        try:
            content: dict[str, Any] = torch.load(path, map_location=self.device, weights_only=True)
        except Exception as error:  # torch raises errors of many kinds for files that are not its own
            raise InputError(f"the checkpoint {path} cannot be read: {' '.join(str(error).split())[:200]}") from None
        _check_same(content["config"], self.config.to_dict(), path)
        self.weights.load_state_dict(content["weights"])
        self.average.load_state_dict(content["average"])
        self.best_weights = content["best_weights"]
        self.optimizer.load_state_dict(content["optimizer"])
        curve = [CurvePoint(**point) for point in content["progress"].pop("curve")]
        self.progress = Progress(**content["progress"], curve=curve)


def _copy_of(weights: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in weights.state_dict().items()}


def _check_same(stored: dict[str, Any], given: dict[str, Any], path: Path) -> None:
    for table in given:
        for name, value in given[table].items():
            if stored[table].get(name) != value:
                raise InputError(
                    f"{path} belongs to a run with {name} = {stored[table].get(name)!r}, got {value!r}; "
                    "a run is resumed with the settings it was begun with"
                )
