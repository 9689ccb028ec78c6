"""Weights in training: updates from batches of problems, and the way back after failures."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from gnn_l2o.algorithms.base import Algorithm, detach
from gnn_l2o.learned import LocalUpdateOptimizer
from gnn_l2o.training.batch import Batch
from gnn_l2o.training.checkpoint import Progress
from gnn_l2o.training.config import TrainingConfig
from gnn_l2o.training.imitation import imitation_loss, teacher_of
from gnn_l2o.training.losses import LOSSES
from gnn_l2o.training.rollout import run_segment
from gnn_l2o.training.stages import Stage

_PATIENCE = 10  # updates in a row that may fail before the weights are rolled back to the best ones
_SCALES, _LESSONS = 4, 5  # streams of random numbers, beside those of the trainer


class Learner:
    """The weights of an optimizer, their moving average, and the best ones so far.

    Args:
        config: what is trained, and how.
        device: where to compute.

    Attributes:
        weights: that are trained.
        algorithm: the optimizer that they make.
        average: their moving average.
        judged: the optimizer that this makes, which validation judges.
        optimizer: Adam on the loss.
        imitation_optimizer: Adam on the distance from a teacher, whose gradients have a size of their own.
        best_weights: the best ones in validation.
        progress: where the run stands.
    """

    def __init__(self, config: TrainingConfig, device: torch.device | str) -> None:
        self.config, self.loss = config, LOSSES[config.loss]()
        self.weights = config.build().to(device)
        self.algorithm = config.architecture.algorithm(self.weights)
        # Validation judges the average, and the average is saved; with ema = 0 it equals the weights.
        self.average = AveragedModel(self.weights, avg_fn=lambda mean, new, _: new.lerp(mean, config.ema))
        self.judged = config.architecture.algorithm(self.average.module)
        self.optimizer = torch.optim.Adam(self.weights.parameters(), weight_decay=config.weight_decay)
        self.imitation_optimizer = torch.optim.Adam(self.weights.parameters(), weight_decay=config.weight_decay)
        self.best_weights = copy_of(self.weights)
        self.progress = Progress()

    def _learn_from(self, batch: Batch, stage: Stage) -> float:
        """Train on a batch, or with the stage's probability imitate the teacher there; return the mean loss."""
        if stage.imitation and self._random(_LESSONS).uniform() < stage.imitation:
            return self._imitate_on(batch, stage)
        return self._train_on(batch, stage)

    def _random(self, stream: int) -> np.random.Generator:
        """Return the random numbers of this batch, which follow from the position alone."""
        progress = self.progress
        return np.random.default_rng([self.config.seed, stream, progress.stage, progress.epoch, progress.batch])

    def _presented(self, batch: Batch) -> Algorithm[Any]:
        """Return the optimizer, with ``random_scaling`` in variables that are scaled at random for each problem."""
        span, algorithm = self.config.random_scaling, self.algorithm
        if span is None:
            return algorithm
        assert isinstance(algorithm, LocalUpdateOptimizer)  # else the configuration was refused
        problem, random = batch.problem, self._random(_SCALES)
        exponents = random.uniform(-span, span, (problem.num_problems, problem.dim))
        return algorithm.rescaled(problem.spread(torch.from_numpy(exponents).to(batch.x0).exp()))

    def _imitate_on(self, batch: Batch, stage: Stage) -> float:
        """Follow the teacher through a batch, updating after every segment; return the mean loss."""
        assert self.config.teacher is not None  # else the configuration was refused
        teacher = teacher_of(self.config.teacher, batch.problem)
        algorithm, length = self._presented(batch), stage.truncation_length
        problem = batch.problem.draw(0)
        states = (algorithm.init(problem, batch.network, batch.x0), teacher.init(problem, batch.network, batch.x0))
        losses = []
        for done in range(0, stage.iterations, length):
            steps = range(done + 1, done + length + 1)
            loss, states = imitation_loss(algorithm, teacher, batch, states, steps)
            losses.append(loss.item())
            states = (detach(states[0]), states[1])
            if not loss.isfinite() or not self._update(loss, stage, self.imitation_optimizer):
                break
        return float(np.mean(losses))

    def _train_on(self, batch: Batch, stage: Stage) -> float:
        """Run one batch through a stage's iterations, updating after every segment; return the mean loss."""
        measured = self.loss.measured_iterations(stage.iterations)
        algorithm = self._presented(batch)
        state = algorithm.init(batch.problem.draw(0), batch.network, batch.x0)
        losses = []
        length = stage.truncation_length
        for done in range(0, stage.iterations, length):
            steps = range(done + 1, done + length + 1)
            segment = run_segment(algorithm, batch, state, steps, self.loss, measured, self.config.jacobian_weight)
            losses.append(segment.loss.item())
            state = detach(segment.state)  # but not that of init: what the networks emit there is trained as well
            if not segment.loss.requires_grad:
                continue  # the preconditioners were frozen throughout: the loss does not depend on the weights
            updated = self._update(segment.loss, stage)
            self.progress.failures = self.progress.failures + 1 if segment.diverged or not updated else 0
            if self.progress.failures >= _PATIENCE:
                self._roll_back()
            if segment.diverged or not updated:
                break
        return float(np.mean(losses))

    def _update(self, loss: torch.Tensor, stage: Stage, optimizer: torch.optim.Optimizer | None = None) -> bool:
        """Take one step of Adam; return whether the gradient was finite (if not, nothing is changed)."""
        optimizer = optimizer or self.optimizer
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        norm = torch.nn.utils.clip_grad_norm_(self.weights.parameters(), self.config.clip)
        if not bool(norm.isfinite()):
            return False
        for group in optimizer.param_groups:
            group["lr"] = stage.lr / 2**self.progress.rollbacks
        optimizer.step()
        self.average.update_parameters(self.weights)
        self.progress.updates += 1
        return True

    def _roll_back(self) -> None:
        """Return to the best weights with half the learning rate and fresh moments."""
        self._restore_best()
        self.progress.failures = 0
        self.progress.rollbacks += 1

    def _restore_best(self) -> None:
        """Return to the best weights with fresh moments."""
        self.weights.load_state_dict(self.best_weights)
        self.average.module.load_state_dict(self.best_weights)
        self.average.n_averaged.zero_()  # it begins anew with the next update
        self.optimizer.state.clear()
        self.imitation_optimizer.state.clear()


def copy_of(weights: nn.Module) -> dict[str, torch.Tensor]:
    """Return the tensors of a module, which later updates leave alone."""
    return {name: value.detach().clone() for name, value in weights.state_dict().items()}
