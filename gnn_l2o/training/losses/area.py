"""The area under the curve of the optimality gap."""

from gnn_l2o.training.losses.base import LOSSES
from gnn_l2o.training.losses.log_optimality_gap import LogOptimalityGap


@LOSSES.register
class Area(LogOptimalityGap):
    """:class:`LogOptimalityGap` at 24 or a few more evenly spaced iterations: the area under the curve.

    It suits an optimizer that should be accurate soon rather than make progress at once.
    """

    name = "area"
    label = "mean log10 of the relative optimality gap at evenly spaced iterations"
    tolerance = 0.1

    def measured_iterations(self, iterations: int) -> list[int]:
        every = max(1, iterations // 24)
        return sorted({*range(every, iterations + 1, every), iterations})
