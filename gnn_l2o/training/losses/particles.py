"""The objective at the points of all nodes, which need not agree."""

from torch import Tensor

from gnn_l2o.training.batch import Batch
from gnn_l2o.training.losses.base import LOSSES
from gnn_l2o.training.losses.objective import Objective


@LOSSES.register
class Particles(Objective):
    r""":math:`\frac1N \sum_i F(x_i^k)` averaged over iterations, for nodes that are particles of a swarm.

    It is the loss of L2O-Swarm (Cao et al. 2019, arXiv:1911.03787) without the entropy of a posterior over the optimum.
    Validation judges the best particle, :math:`\min_i F(x_i^k)`, at log-spaced iterations.
    """

    name = "particles"
    label = "mean log10 of the relative optimality gap of the best node at log-spaced iterations"

    def optimality_gap(self, batch: Batch, x: Tensor) -> Tensor:
        problem = batch.problem
        mean = problem.average(problem.objective_at_nodes(x).unsqueeze(1)).squeeze(1)
        return batch.relative(mean)

    def validation_optimality_gap(self, batch: Batch, x: Tensor) -> Tensor:
        problem = batch.problem
        best = -problem.maximum(-problem.objective_at_nodes(x).unsqueeze(1)).squeeze(1)
        return batch.relative(best)
