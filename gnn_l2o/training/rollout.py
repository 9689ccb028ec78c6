"""Running an optimizer so that it can be differentiated, or judged."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.driver import Driver
from gnn_l2o.algorithms.standing import Standing
from gnn_l2o.algorithms.stopping import StoppingRule
from gnn_l2o.training.batch import Batch
from gnn_l2o.training.jacobian import squared_gradient
from gnn_l2o.training.losses import MetaLoss

OPTIMALITY_GAP = "relative_optimality_gap"
"""The measure that training takes, by default :meth:`.Batch.relative_optimality_gap`."""

OptimalityGap = Callable[[Batch, Tensor], Tensor]


@dataclass(frozen=True)
class Diverged(StoppingRule):
    """Ends a run once the relative optimality gap of a problem exceeds a bound or is not a number.

    Attributes:
        bound: above it, gradients through the run would only overflow.
    """

    bound: float = 1e3

    def holds(self, standing: Standing) -> bool:
        return not bool((standing.measures[OPTIMALITY_GAP].detach() < self.bound).all())


DIVERGED = Diverged()


@dataclass(frozen=True)
class Segment:
    """The outcome of some iterations that are differentiated together.

    Attributes:
        loss: see :meth:`.MetaLoss.segment_loss`.
        state: after the last iteration.
        diverged: whether :class:`Diverged` ended the segment.
    """

    loss: Tensor
    state: Any
    diverged: bool


def run_segment(
    algorithm: Algorithm[Any],
    batch: Batch,
    state: Any,
    iterations: range,
    loss: MetaLoss,
    measured: Collection[int],
    jacobian_weight: float | None = None,
) -> Segment:
    """Take some steps and return their loss.

    Args:
        algorithm: what is trained.
        batch: the problems.
        state: before the first step.
        iterations: the numbers of the steps, of which there are K_T; the first of a run is 1.
        loss: what is minimized.
        measured: the iterations of the whole run at which the loss measures; the segment's last one is added.
        jacobian_weight: of the mean of :func:`.squared_gradient` at these iterations, which is added to the loss; by
            default it is not.

    Raises:
        InputError: the loss is no number.
    """
    driver = Driver.resume(algorithm, batch.problem, batch.network, state, iterations[0] - 1)
    checkpoints = [k for k in iterations if k in measured or k == iterations[-1]]
    optimality_gaps, slopes = {}, []
    # The step that passes the bound still counts, so that training learns from it to stay below.
    for standing in measurements(driver, batch, checkpoints, loss.optimality_gap, stop=(DIVERGED,)):
        optimality_gaps[standing.iteration] = standing.measures[OPTIMALITY_GAP]
        if jacobian_weight is not None:
            slopes.append(squared_gradient(batch.problem, standing.state.x))
    value = loss.segment_loss(batch, iterations, optimality_gaps)
    if not isinstance(value, Tensor) or value.shape != ():
        got = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"{value!r:.80}"
        raise InputError(f"loss {loss.name!r}: segment_loss() must return a tensor with one number, got {got}")
    if jacobian_weight is not None:
        value = value + jacobian_weight * torch.stack(slopes).mean()
    return Segment(value, standing.state, DIVERGED.holds(standing))


@torch.no_grad()
def validate(algorithm: Algorithm[Any], batches: Sequence[Batch], iterations: int, loss: MetaLoss) -> float:
    """Return the mean of :meth:`.MetaLoss.validation_values` over all problems; inf if a run diverges.

    Args:
        algorithm: what is judged.
        batches: the problems.
        iterations: how long each of them is run.
        loss: decides what is measured and when.
    """
    checkpoints, run = loss.validation_iterations(iterations), range(1, iterations + 1)
    values = []
    for batch in batches:
        driver, optimality_gaps = Driver(algorithm, batch.problem, batch.network, batch.x0), {}
        for standing in measurements(driver, batch, checkpoints, loss.validation_optimality_gap, stop=(DIVERGED,)):
            optimality_gaps[standing.iteration] = standing.measures[OPTIMALITY_GAP]
        if DIVERGED.holds(standing):
            return math.inf
        values.append(loss.validation_values(run, optimality_gaps))
    return float(torch.cat(values).mean())


def measurements(
    driver: Driver[Any],
    batch: Batch,
    checkpoints: Sequence[int],
    optimality_gap: OptimalityGap = Batch.relative_optimality_gap,
    stop: Sequence[StoppingRule] = (),
) -> Iterator[Standing]:
    """Run on a batch, and yield at every checkpoint where the run stands, with its :data:`OPTIMALITY_GAP`.

    Args:
        driver: of the run.
        batch: the problems.
        checkpoints: the iterations, ascending.
        optimality_gap: what is measured at the iterates of all nodes, :meth:`.MetaLoss.optimality_gap` for one.
        stop: see :class:`.Driver`.
    """

    def measure(x: Tensor) -> Mapping[str, Tensor]:
        return {OPTIMALITY_GAP: optimality_gap(batch, x)}

    return driver.halts(checkpoints, measure=measure, stop=stop)
