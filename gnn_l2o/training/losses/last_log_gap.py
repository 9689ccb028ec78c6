"""The logarithm of the optimality gap at the last iteration that is differentiated."""

from collections.abc import Mapping

from torch import Tensor

from gnn_l2o.training.batch import Batch
from gnn_l2o.training.losses.base import LOSSES, RESOLUTION, MetaLoss


@LOSSES.register
class LastLogGap(MetaLoss):
    """The logarithm of the relative optimality gap at the last iteration of every segment.

    It is the loss of RNNProp, :class:`.LastObjective`, in the measure in which a decade counts the same wherever it is
    gained. Validation judges the last iteration of all, for an optimizer that should end accurately.
    """

    name = "last_log_gap"
    label = "mean log10 of the relative optimality gap at the last iteration"

    def segment_loss(self, batch: Batch, segment: range, optimality_gaps: Mapping[int, Tensor]) -> Tensor:
        *_, last = optimality_gaps.values()
        return (last.clamp(min=0) + RESOLUTION).log().mean()

    def measured_iterations(self, iterations: int) -> list[int]:
        return [iterations]  # the last one of every segment is added
