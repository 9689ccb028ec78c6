"""The area under the curve of the optimality gap."""

from gnn_l2o.training.losses.base import LOSSES
from gnn_l2o.training.losses.log_gap import LogGap


@LOSSES.register
class Area(LogGap):
    """:class:`LogGap` at 24 or a few more evenly spaced iterations: the area under the curve.

    For an optimizer that should reach a small gap soon rather than make progress at once.
    """

    name = "area"
    label = "mean log10 of the relative optimality gap at evenly spaced iterations"
    tolerance = 0.1

    def measured_iterations(self, iterations: int) -> list[int]:
        every = max(1, iterations // 24)
        return sorted({*range(every, iterations + 1, every), iterations})
