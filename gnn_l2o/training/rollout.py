"""Running an optimizer so that it can be differentiated, or judged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gnn_l2o.learned import MiLoDo
from gnn_l2o.nn import MiLoDoState
from gnn_l2o.training.config import LossName
from gnn_l2o.training.losses import FLOOR, combined, loss_at, measured_iterations, relative_gap
from gnn_l2o.training.pool import Batch

DIVERGED = 1e3  # a relative gap beyond which a run is given up: its gradients would only overflow


@dataclass(frozen=True)
class Segment:
    """The outcome of some iterations that are differentiated together.

    Attributes:
        loss: see :func:`~gnn_l2o.training.losses.combined`.
        state: after the last iteration.
        diverged: whether a problem's gap passed :data:`DIVERGED`; then the segment ends there.
    """

    loss: Tensor
    state: MiLoDoState
    diverged: bool


def run_segment(
    algorithm: MiLoDo, batch: Batch, state: MiLoDoState, iterations: int, loss: LossName, measured: Sequence[int]
) -> Segment:
    """Take ``iterations`` steps and return their loss.

    Args:
        algorithm: what is trained.
        batch: the problems.
        state: before the first step.
        iterations: K_T.
        loss: its name.
        measured: the iterations of the whole run at which the loss is taken; the segment's last one is added.
    """
    last = state.iteration + iterations
    losses = []
    diverged = False
    while state.iteration < last and not diverged:
        state = algorithm.step(batch.problem, batch.network, state)
        if state.iteration in measured or state.iteration == last:
            gap = relative_gap(batch, state.x)
            losses.append(loss_at(loss, batch, gap))
            # The step that passes the bound still counts, so that training learns from it to stay below.
            diverged = not bool((gap.detach() < DIVERGED).all())
    return Segment(combined(loss, losses), state, diverged)


@torch.no_grad()
def validate(algorithm: MiLoDo, batches: Sequence[Batch], iterations: int) -> float:
    """Return the mean of log10 of the relative gap over problems and log-spaced iterations; inf on divergence."""
    values = []
    measured = set(measured_iterations("log_gap", iterations))
    for batch in batches:
        state = algorithm.init(batch.problem, batch.network, batch.x0)
        for k in range(1, iterations + 1):
            state = algorithm.step(batch.problem, batch.network, state)
            if k in measured:
                gap = relative_gap(batch, state.x)
                if not (gap < DIVERGED).all():
                    return math.inf
                values.append((gap.clamp(min=0) + FLOOR).log10())
    return float(torch.cat(values).mean())
