"""What the best of the nodes has found, where nodes search and need not agree."""

from __future__ import annotations

from torch import Tensor

from gnn_l2o.evaluation.metrics import METRICS, Metric
from gnn_l2o.evaluation.reference import Reference
from gnn_l2o.problems import MinMax


@METRICS.register
class BestParticle(Metric):
    r"""The objective at the point of the best node.

    .. math::
        \min_i F(x_i)

    For swarms (:class:`.L2OSwarm`), whose nodes search a function that all of them know; of others the average of the
    nodes is measured. It is left out for min-max problems, which have no objective at nodes.
    """

    name = "best_particle"
    label = "objective of the best node"
    formula = r"$\min_i F(x_i)$"
    aggregate = "mean"

    def applies(self, reference: Reference) -> bool:
        return not isinstance(reference.problem, MinMax)

    def values(self, reference: Reference, x: Tensor) -> Tensor:
        problem = reference.problem
        return -problem.maximum(-problem.objective_at_nodes(x).unsqueeze(1)).squeeze(1)
