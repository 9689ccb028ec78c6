"""Training an unrolled network: layers, stages, validation, checkpoints."""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.files import write_text
from gnn_l2o._utils.optional import require
from gnn_l2o._utils.output_folder import claimed
from gnn_l2o.learned import save_weights
from gnn_l2o.learned.model import RECIPE, WEIGHTS
from gnn_l2o.learned.unrolled import Layers
from gnn_l2o.training.checkpoint import CHECKPOINT, Checkpoint, Progress
from gnn_l2o.training.curve import CurvePoint, write_curve
from gnn_l2o.training.denormals import flush_denormals
from gnn_l2o.training.layerwise.card import write_card
from gnn_l2o.training.layerwise.config import LayerStage, LayerwiseConfig
from gnn_l2o.training.layerwise.samples import Source, estimates

_ROLLBACKS = 10  # in a stage, after which training is in vain


class LayerwiseRun:
    """One training run of an unrolled network in its folder, from the beginning or from its checkpoint.

    It writes the files of a :class:`~gnn_l2o.training.TrainingRun`, and is resumed like one. In every stage the weights
    with the best validation value are kept, those from before the stage included; where a gradient or the
    validation value is not finite, training returns to them with half the learning rate. In its :class:`.Progress` a
    stage is one of a layer, an epoch the updates from one validation to the next, and ``best`` the best value in it.

    Args:
        config: what to do; :attr:`config` adds to it what the architecture takes from the dictionary.
        folder: where to write.
        resume: continue from the folder's checkpoint; without one, begin, unless the folder holds a model.
        device: where to compute.
        report: called with this run after every update.
        checkpoint_seconds: how often to write a checkpoint.

    Raises:
        InputError: the dataset or topology cannot be had, or ``resume`` from a model without a checkpoint or with one
            of another configuration.
    """

    def __init__(
        self,
        config: LayerwiseConfig,
        folder: Path,
        *,
        resume: bool = False,
        device: torch.device | str = "cpu",
        report: Callable[[LayerwiseRun], None] = lambda run: None,
        checkpoint_seconds: float = 60.0,
    ) -> None:
        require("report", "matplotlib")  # for the curve
        self.source = Source(config, device)
        architecture = config.architecture.bind(self.source.problem, self.source.graph)
        self.config = config = dataclasses.replace(config, architecture=architecture)
        self.folder, self.report, self.checkpoint_seconds = folder, report, checkpoint_seconds
        self.weights: Layers[nn.Module] = architecture.build().to(device, config.dtype)
        architecture.emit_classical(self.weights, self.source.problem.dictionary)
        network = architecture.algorithm(self.weights)
        # On a single node every number of rounds gives the same.
        self.network = dataclasses.replace(network, rounds=1) if self.source.graph.num_nodes == 1 else network
        self.validation = self.source.draw("validation", config.validation_problems)
        self.progress = Progress()
        self.best_weights = _copy_of(self.weights)
        self.optimizer = self._optimizer()
        self.resumed = resume and self._resume(device)
        self._last_checkpoint = time.monotonic()

    @property
    def total_stages(self) -> int:
        """Stages of all layers."""
        return len(self.config.schedule)

    @property
    def total_iterations(self) -> int:
        """Updates of the whole run, at most."""
        return sum(stage.updates for _, stage in self.config.schedule)

    @property
    def _position(self) -> tuple[int, LayerStage]:
        """The layer and its stage that are trained next."""
        return self.config.schedule[self.progress.stage]

    def run(self) -> None:
        """Train to the end; where that is interrupted (``KeyboardInterrupt``), write a checkpoint first.

        Raises:
            InputError: another process writes into the folder, the folder was deleted meanwhile, or weights had to be
                rolled back too often.
            OSError: a file cannot be written.
        """
        with claimed(self.folder) as self._output, flush_denormals():
            write_text(self.folder / RECIPE, self.config.to_toml())
            try:
                while self.progress.stage < self.total_stages:
                    self._run_stage()
            except KeyboardInterrupt:
                self.save_checkpoint()
                raise
            self.save_checkpoint()
            write_card(self)

    def _run_stage(self) -> None:
        layer, stage = self._position
        progress = self.progress
        if progress.batch == 0:
            if self._is_new(layer) and self.config.layer_init == "previous":
                self.weights.copy_previous(layer)
            progress.best, progress.failures, progress.rollbacks = self._validate(layer), 0, 0
            self.best_weights = _copy_of(self.weights)
            self.optimizer = self._optimizer()
        patience = math.inf if stage.patience is None else stage.patience
        while progress.batch < stage.updates and progress.failures * self.config.validate_every < patience:
            started = time.monotonic()
            progress.losses.append(self._update(layer, stage))
            progress.batch += 1
            progress.updates += 1
            progress.iterations += 1
            if progress.batch % self.config.validate_every == 0 or progress.batch == stage.updates:
                self._judge(layer)
            progress.seconds += time.monotonic() - started
            self._output.check()
            self.report(self)
            if time.monotonic() - self._last_checkpoint > self.checkpoint_seconds:
                self.save_checkpoint()
        self._finish_stage(layer)

    def _is_new(self, layer: int) -> bool:
        """Whether the stage is the first one of a layer that comes after a trained one."""
        stage = self.progress.stage
        return stage > 0 and self.config.schedule[stage - 1][0] != layer

    def _update(self, layer: int, stage: LayerStage) -> float:
        """Take one step of Adam on new signals; return the loss of a signal."""
        progress, only_new = self.progress, stage.parameters == "new" and self.config.layers == "one_by_one"
        samples = self.source.draw("training", self.config.batch_size, progress.stage, progress.batch)
        with torch.set_grad_enabled(not only_new):  # what is before the layer is not trained
            state = samples.advance(self.network, samples.begin(self.network), layer)
        if only_new and layer == 0:  # the memory before the first layer depends on shared weights
            state = samples.begin(self.network)
        state = samples.advance(self.network, state, 1)
        loss = self.network.loss(samples.given, state.x, samples.targets_at_nodes).sum()
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        norm = nn.utils.clip_grad_norm_(self._trained(layer, stage), self.config.clip)
        if bool(norm.isfinite()):
            self.optimizer.step()
        else:
            self._roll_back(layer)
        return loss.item() / state.x.size(0)

    def _roll_back(self, layer: int) -> None:
        """Return to the best weights of the stage, with half the learning rate and fresh moments.

        Raises:
            InputError: that happened too often in this stage.
        """
        progress = self.progress
        progress.rollbacks += 1
        if progress.rollbacks > _ROLLBACKS:
            raise InputError(
                f"layer {layer + 1} diverged {progress.rollbacks} times in {progress.batch + 1} updates; expected a "
                "smaller learning rate (lr), or a smaller initial_step"
            )
        self.weights.load_state_dict(self.best_weights)
        self.optimizer = self._optimizer()

    def _trained(self, layer: int, stage: LayerStage) -> list[nn.Parameter]:
        only_new = stage.parameters == "new" and self.config.layers == "one_by_one"
        return self.weights.new_parameters(layer) if only_new else self.weights.parameters_up_to(layer)

    def _optimizer(self) -> torch.optim.Adam:
        if self.progress.stage >= self.total_stages:
            return torch.optim.Adam(self.weights.parameters())
        layer, stage = self._position
        return torch.optim.Adam(self._trained(layer, stage), lr=stage.lr / 2**self.progress.rollbacks)

    def _validate(self, layer: int) -> float:
        """Return the validation value of the layer's estimates, infinite if it is no number."""
        held_out = self.validation
        x = estimates(self.network, held_out, layer + 1)
        found = self.network.validation(held_out.given, x, held_out.targets_at_nodes)
        return float(found.nan_to_num(nan=math.inf, posinf=math.inf))

    def _judge(self, layer: int) -> None:
        """Validate, and keep the weights if they are the best of the stage."""
        progress, value = self.progress, self._validate(layer)
        progress.epoch += 1
        progress.failures += 1  # validations in a row that brought nothing better
        if value < progress.best:
            progress.best, progress.failures = value, 0
            self.best_weights = _copy_of(self.weights)
        elif math.isinf(value):
            self._roll_back(layer)
        progress.curve.append(
            CurvePoint(
                stage=layer + 1,
                epoch=progress.epoch,
                updates=progress.updates,
                loss=sum(progress.losses) / len(progress.losses),
                validation=value,
                best=progress.best,
                rollbacks=progress.rollbacks,
                seconds=progress.seconds,
            )
        )
        progress.losses = []

    def _finish_stage(self, layer: int) -> None:
        """Return to the best weights of the stage, and write them where it is the last one of its layer."""
        progress = self.progress
        self.weights.load_state_dict(self.best_weights)
        progress.iterations += self._position[1].updates - progress.batch  # so that they add up to the total
        progress.stage, progress.batch, progress.failures, progress.losses = progress.stage + 1, 0, 0, []
        if progress.stage == self.total_stages or self._position[0] != layer:
            progress.epoch = 0
            save_weights(self.folder, self.weights, self.config.architecture)
            write_curve(self.folder, progress.curve, self.network.validation_label)
            self.report(self)

    def save_checkpoint(self) -> None:
        """Write everything that is needed to go on from here."""
        checkpoint = Checkpoint(
            config=self.config.to_dict(),
            weights=self.weights.state_dict(),
            average={},
            best_weights=self.best_weights,
            optimizer=self.optimizer.state_dict(),
            progress=copy.deepcopy(self.progress),
        )
        checkpoint.save(self.folder / CHECKPOINT)
        self._last_checkpoint = time.monotonic()

    def _resume(self, device: torch.device | str) -> bool:
        """Continue from the checkpoint; return whether there is one."""
        if not (self.folder / CHECKPOINT).is_file():
            if (self.folder / WEIGHTS).is_file():
                raise InputError(f"{self.folder} holds a model without a {CHECKPOINT}; overwrite it")
            return False
        checkpoint = Checkpoint.load(self.folder / CHECKPOINT, self.config.to_dict(), device)
        self.progress, self.best_weights = checkpoint.progress, checkpoint.best_weights
        self.weights.load_state_dict(checkpoint.weights)
        self.optimizer = self._optimizer()
        if self.progress.stage < self.total_stages:
            self.optimizer.load_state_dict(checkpoint.optimizer)
        return True


def _copy_of(weights: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in weights.state_dict().items()}
