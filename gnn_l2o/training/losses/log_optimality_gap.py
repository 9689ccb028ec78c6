"""The logarithm of the optimality gap."""

from collections.abc import Mapping

import torch
from torch import Tensor

from gnn_l2o.training.batch import Batch
from gnn_l2o.training.losses.base import LOSSES, RESOLUTION, MetaLoss


@LOSSES.register
class LogOptimalityGap(MetaLoss):
    """The logarithm of the relative optimality gap at log-spaced iterations.

    A decade counts the same wherever it is gained. The last iteration weighs as much as all together: only there does
    it show that a run has begun to diverge.
    """

    name = "log_gap"
    label = "mean log10 of the relative optimality gap at log-spaced iterations"

    def segment_loss(self, batch: Batch, segment: range, optimality_gaps: Mapping[int, Tensor]) -> Tensor:
        losses = [(value.clamp(min=0) + RESOLUTION).log().mean() for value in optimality_gaps.values()]
        return 0.5 * (torch.stack(losses).mean() + losses[-1])
