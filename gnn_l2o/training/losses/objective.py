"""The loss of the MiLoDo paper."""

from collections.abc import Mapping

import torch
from torch import Tensor

from gnn_l2o.training.batch import Batch
from gnn_l2o.training.losses.base import LOSSES, MetaLoss, log_spaced


@LOSSES.register
class Objective(MetaLoss):
    r""":math:`F(\bar x^k)`, whose mean over the iterations is (29) of He et al. 2024.

    Validation judges the relative optimality gap at log-spaced iterations instead, in which problems of different
    scales count alike.
    """

    name = "objective"
    label = "mean log10 of the relative optimality gap at log-spaced iterations"

    def segment_loss(self, batch: Batch, segment: range, optimality_gaps: Mapping[int, Tensor]) -> Tensor:
        scale = batch.initial_objective - batch.optimum
        objectives = [(batch.optimum + value * scale).mean() for value in optimality_gaps.values()]
        return torch.stack(objectives).mean()

    def measured_iterations(self, iterations: int) -> list[int]:
        return list(range(1, iterations + 1))

    def validation_iterations(self, iterations: int) -> list[int]:
        return log_spaced(iterations)
