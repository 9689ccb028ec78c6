"""The logarithm of the optimality gap."""

from collections.abc import Mapping

import torch
from torch import Tensor

from gnn_l2o.training.batch import Batch
from gnn_l2o.training.losses.base import LOSSES, RESOLUTION, MetaLoss


@LOSSES.register
class LogGap(MetaLoss):
    """The logarithm of the relative optimality gap at log-spaced iterations.

    A decade counts the same wherever it is gained. The last iteration weighs as much as all together: a run whose gap
    has begun to grow, and which will diverge, shows it nowhere else.
    """

    name = "log_gap"
    label = "mean log10 of the relative optimality gap at log-spaced iterations"

    def segment_loss(self, batch: Batch, segment: range, gaps: Mapping[int, Tensor]) -> Tensor:
        losses = [(gap.clamp(min=0) + RESOLUTION).log().mean() for gap in gaps.values()]
        return 0.5 * (torch.stack(losses).mean() + losses[-1])
