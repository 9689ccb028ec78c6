"""Running an optimizer so that it can be differentiated, or judged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.driver import run
from gnn_l2o.training.config import LossName
from gnn_l2o.training.losses import FLOOR, area_above_tolerance, measured_iterations, relative_gap, segment_loss
from gnn_l2o.training.pool import Batch

DIVERGED = 1e3  # a relative gap beyond which a run is given up: its gradients would only overflow


@dataclass(frozen=True)
class Segment:
    """The outcome of some iterations that are differentiated together.

    Attributes:
        loss: see :func:`~gnn_l2o.training.losses.segment_loss`.
        state: after the last iteration.
        diverged: whether a problem's gap passed :data:`DIVERGED`; then the segment ends there.
    """

    loss: Tensor
    state: Any
    diverged: bool


def run_segment(
    algorithm: Algorithm[Any],
    batch: Batch,
    state: Any,
    iterations: range,
    loss: LossName,
    measured: Sequence[int],
) -> Segment:
    """Take some steps and return their loss.

    Args:
        algorithm: what is trained.
        batch: the problems.
        state: before the first step.
        iterations: the numbers of the steps, of which there are K_T; the first of a run is 1.
        loss: its name.
        measured: the iterations of the whole run at which the loss is taken; the segment's last one is added.
    """
    gaps = {}
    diverged = False
    for k in iterations:
        state = algorithm.step(batch.problem.draw(k), batch.network, state)
        if k in measured or k == iterations[-1]:
            gaps[k] = relative_gap(batch, state.x)
            # The step that passes the bound still counts, so that training learns from it to stay below.
            diverged = not bool((gaps[k].detach() < DIVERGED).all())
            if diverged:
                break
    return Segment(segment_loss(loss, batch, iterations, gaps), state, diverged)


@torch.no_grad()
def validate(algorithm: Algorithm[Any], batches: Sequence[Batch], iterations: int, loss: LossName) -> float:
    """Return the mean of log10 of the relative gap, or of the area under it; inf on divergence.

    Args:
        algorithm: what is judged.
        batches: on which problems.
        iterations: how long.
        loss: what it was trained for, which decides at which iterations; for ``"objective"`` as for ``"log_gap"``. The
            mean is over problems and iterations; for ``"log_area"`` over problems, of log10 of one plus the area.
    """
    values = []
    measured = set(measured_iterations("log_gap" if loss == "objective" else loss, iterations))
    for batch in batches:
        gaps = {}
        for k, state in enumerate(run(algorithm, batch.problem, batch.network, batch.x0)):
            if k in measured:
                gap = relative_gap(batch, state.x)
                if not (gap < DIVERGED).all():
                    return math.inf
                gaps[k] = gap
            if k == iterations:
                break
        if loss == "log_area":
            values.append((1 + area_above_tolerance(range(1, iterations + 1), gaps)).log10())
        else:
            values += [(gap.clamp(min=0) + FLOOR).log10() for gap in gaps.values()]
    return float(torch.cat(values).mean())
