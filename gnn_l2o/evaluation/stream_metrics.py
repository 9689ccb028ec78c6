"""How well a stream of mini-batches is followed whose labels change."""

from __future__ import annotations

from torch import Tensor

from gnn_l2o.evaluation.metrics import METRICS, Metric
from gnn_l2o.evaluation.reference import Reference


@METRICS.register
class StreamLoss(Metric):
    """The mean loss of the draws of a stream so far, each before its step (:class:`.OnlineLoss`).

    It is left out where labels do not change. The optimality gap on a stream is the same relative to the loss of the
    initial point.
    """

    name = "stream_loss"
    label = "mean loss of the mini-batches so far"
    scale = "log"

    def applies(self, reference: Reference) -> bool:
        return reference.online is not None

    def values(self, reference: Reference, x: Tensor) -> Tensor:
        assert reference.online is not None  # else the metric does not apply
        return reference.online.mean(x)
