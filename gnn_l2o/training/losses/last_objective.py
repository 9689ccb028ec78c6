"""The objective at the last iteration that is differentiated."""

from collections.abc import Mapping

from torch import Tensor

from gnn_l2o.training.batch import Batch
from gnn_l2o.training.losses.base import LOSSES
from gnn_l2o.training.losses.objective import Objective


@LOSSES.register
class LastObjective(Objective):
    r""":math:`F(\bar x^k)` at the last iteration of every segment, the loss of RNNProp (Lv et al. 2017).

    Validation is that of :class:`Objective`.
    """

    name = "last_objective"

    def segment_loss(self, batch: Batch, segment: range, optimality_gaps: Mapping[int, Tensor]) -> Tensor:
        *_, last = optimality_gaps.values()
        return super().segment_loss(batch, segment, {segment[-1]: last})

    def measured_iterations(self, iterations: int) -> list[int]:
        return [iterations]  # the last one of every segment is added
