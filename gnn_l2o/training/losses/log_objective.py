"""The logarithm of the objective relative to that of the start."""

from collections.abc import Mapping

import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.training.batch import Batch
from gnn_l2o.training.losses.base import LOSSES
from gnn_l2o.training.losses.objective import Objective

RESOLUTION = 1e-6  # beside the ratio (authors' code of L2O-Scale)


@LOSSES.register
class LogObjective(Objective):
    r""":math:`\ln(F(\bar x^k) / F(x^0) + 10^{-6})` averaged over iterations, the loss of L2O-Scale.

    It rewards exact convergence more than the objective does (Wichrowska et al. 2017, ICML, arXiv:1703.04813). The
    objective must be nowhere negative; where it is not 0 at the solution, the loss ends at the optimum's share.
    Validation is that of :class:`Objective`.

    Raises:
        InputError: by :meth:`segment_loss`, a problem has a negative optimum.
    """

    name = "log_objective"

    def segment_loss(self, batch: Batch, segment: range, optimality_gaps: Mapping[int, Tensor]) -> Tensor:
        smallest = float(batch.optimum.min())
        if smallest < -RESOLUTION:
            raise InputError(
                f"loss {self.name!r} is for objectives that are nowhere negative, got an optimum of {smallest:.3g}"
            )
        share = (batch.optimum / batch.initial_objective).clamp(min=0)
        ratios = [share + gap.clamp(min=0) * (1 - share) for gap in optimality_gaps.values()]
        return torch.stack([(ratio + RESOLUTION).log().mean() for ratio in ratios]).mean()
