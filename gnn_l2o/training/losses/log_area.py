"""The logarithm of the area between the curve of the optimality gap and a tolerance."""

from collections.abc import Mapping

import torch
from torch import Tensor

from gnn_l2o.training.batch import Batch
from gnn_l2o.training.losses.base import LOSSES, MetaLoss, square_spaced

TOLERANCE = 1e-5  # the relative optimality gap that should be reached soon


@LOSSES.register
class LogArea(MetaLoss):
    """The logarithm of every problem's :func:`area_above_tolerance`, about that of the time until the tolerance.

    To be a tenth faster counts the same for a problem of twenty iterations and for one of a thousand.
    """

    name = "log_area"
    label = "mean log10 of the area above a relative optimality gap of 1e-5"
    tolerance = 0.1

    def segment_loss(self, batch: Batch, segment: range, optimality_gaps: Mapping[int, Tensor]) -> Tensor:
        return (1 + area_above_tolerance(segment, optimality_gaps)).log().mean()

    def measured_iterations(self, iterations: int) -> list[int]:
        return square_spaced(iterations)  # as some problems are solved after twenty iterations

    def validation_values(self, run: range, optimality_gaps: Mapping[int, Tensor]) -> Tensor:
        return (1 + area_above_tolerance(run, optimality_gaps)).log10()


def area_above_tolerance(segment: range, optimality_gaps: Mapping[int, Tensor]) -> Tensor:
    r"""Return :math:`\sum_k \log_{10} (1 + g_k / \tau)` of every problem over a segment, with :math:`\tau = 10^{-5}`.

    A run that reaches the tolerance after T iterations, with as many for each decade, has the area 5 T / 2.
    What is above the tolerance at the end counts for as many iterations again: it has still to be reduced.

    Args:
        segment: of iterations.
        optimality_gaps: relative, ``(B,)``, by iteration; each stands for the iterations since the one before, the last
            also for the rest.

    Returns:
        ``(B,)``.
    """
    area, before, height = torch.zeros(()), segment[0] - 1, torch.zeros(())
    for k, value in optimality_gaps.items():
        height = (1 + value.clamp(min=0) / TOLERANCE).log10()
        area, before = area + (k - before) * height, k
    return area + (segment[-1] - before + len(segment)) * height
