"""What the moves of both players change in the payoff."""

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor

from gnn_l2o.problems import MinMax, Problem
from gnn_l2o.training.batch import Batch
from gnn_l2o.training.losses.base import LOSSES, MetaLoss, log_spaced


@LOSSES.register
class PayoffDifferences(MetaLoss):
    r"""What the moves of both players change in the payoff, each against the other: the loss of Twin-L2O.

    .. math:: F(u^{k+1}, v^k) - F(u^k, v^k) + F(u^{k+1}, v^k) - F(u^{k+1}, v^{k+1})

    at the averages of the nodes, averaged over the iterations of a segment, of which the first is the k of the first
    term, and over the problems (Shen et al. 2021): u moves first and v answers. In the difference of a player the other
    one's variables are constants, as what one wins the other loses. A segment needs two iterations.

    Validation judges the residual at log-spaced iterations.
    """

    name = "payoff_differences"
    label = "mean log10 of the relative residual at log-spaced iterations"

    def segment_loss(self, batch: Batch, segment: range, optimality_gaps: Mapping[int, Tensor]) -> Tensor:
        problem = batch.problem
        assert isinstance(problem, MinMax)  # else the mixture was refused
        differences = [torch.zeros_like(batch.optimum)]
        for before, after in pairwise(optimality_gaps.values()):
            (u, v), (new_u, new_v) = before.chunk(2, dim=1), after.chunk(2, dim=1)
            of_u = _payoff(problem, new_u, v.detach()) - _payoff(problem, u, v.detach())
            of_v = _payoff(problem, new_u.detach(), v) - _payoff(problem, new_u.detach(), new_v)
            differences.append(of_u + of_v)
        return torch.stack(differences).sum(dim=0).mean() / max(1, len(differences) - 1)

    def applies(self, problem: Problem) -> bool:
        return isinstance(problem, MinMax)

    def optimality_gap(self, batch: Batch, x: Tensor) -> Tensor:
        """Return, in the place of an optimality gap, the average of the nodes: ``(N, d)`` to ``(B, d)``."""
        return batch.problem.average(x)

    def validation_optimality_gap(self, batch: Batch, x: Tensor) -> Tensor:
        return batch.relative_optimality_gap(x)

    def measured_iterations(self, iterations: int) -> list[int]:
        return list(range(1, iterations + 1))

    def validation_iterations(self, iterations: int) -> list[int]:
        return log_spaced(iterations)


def _payoff(problem: MinMax, u: Tensor, v: Tensor) -> Tensor:
    """Return F(u, v) of every problem, ``(B,)``."""
    return problem.payoff(torch.cat([u, v], dim=1))
