"""The logarithm of the mean optimality gap of a batch."""

from collections.abc import Mapping

import torch
from torch import Tensor

from gnn_l2o.training.batch import Batch
from gnn_l2o.training.losses.base import LOSSES, RESOLUTION, MetaLoss, square_spaced


@LOSSES.register
class LogMean(MetaLoss):
    r"""The logarithm of the mean over the problems of the relative optimality gap, averaged over iterations.

    .. math:: \frac1{|K|} \sum_{k \in K} \ln\Bigl(\frac1B \sum_b g_{k, b} + 10^{-7}\Bigr)

    A decade counts the same at whichever iteration it is gained, as in :class:`.LogOptimalityGap`, but it has to be
    gained where much is left: the problem that is farthest from its optimum decides, as in the means that benchmarks
    report. Two thirds of the iterations lie in the last nine tenths of a run. Validation measures the same, a batch of
    held-out problems at a time.
    """

    name = "log_mean"
    label = "log10 of the mean relative optimality gap, averaged over iterations"

    def measured_iterations(self, iterations: int) -> list[int]:
        return square_spaced(iterations)

    def segment_loss(self, batch: Batch, segment: range, optimality_gaps: Mapping[int, Tensor]) -> Tensor:
        return torch.stack([_mean(value).log() for value in optimality_gaps.values()]).mean()

    def validation_values(self, run: range, optimality_gaps: Mapping[int, Tensor]) -> Tensor:
        return torch.stack([_mean(value).log10() for value in optimality_gaps.values()])


def _mean(optimality_gap: Tensor) -> Tensor:
    return optimality_gap.clamp(min=0).mean() + RESOLUTION
