"""The objective as published figures show it: itself, as a training loss, and above the minimum."""

from __future__ import annotations

from torch import Tensor

from gnn_l2o.evaluation.metrics import METRICS, Metric
from gnn_l2o.evaluation.reference import Reference
from gnn_l2o.problems import MinMax, NeuralNetwork, Stochastic


@METRICS.register
class Objective(Metric):
    r"""The objective :math:`F(\bar x)` at the average of the nodes, and its mean over instances.

    It is left out for min-max problems, which have none.
    """

    name = "objective"
    label = "objective"
    formula = r"$F(\bar x)$"
    aggregate = "mean"

    def applies(self, reference: Reference) -> bool:
        return not isinstance(reference.problem, MinMax)

    def values(self, reference: Reference, x: Tensor) -> Tensor:
        return reference.problem.objective(reference.problem.average(x))


@METRICS.register
class TrainingLoss(Objective):
    """The objective of a neural network, which is the loss over all training images."""

    name = "training_loss"
    label = "training loss"
    scale = "log"

    def applies(self, reference: Reference) -> bool:
        problem = reference.problem
        return isinstance(problem.full if isinstance(problem, Stochastic) else problem, NeuralNetwork)


@METRICS.register
class Excess(Metric):
    r"""The distance from the minimum relative to it, weighted by it in the mean over instances.

    .. math::
        R = \frac{\sum_i \bigl(F_i(\bar x_i) - F_i^*\bigr)}{\sum_i F_i^*}

    of instances i is the measure of Open-L2O for the LASSO (Chen et al. 2022, arXiv:2103.12828, figure 6). Instances
    whose initial point is optimal are not evaluated; they would change neither sum where :math:`F^* = 0` there. The
    metric is left out where the minimum is unknown or not positive.
    """

    name = "excess"
    label = "distance from the minimum relative to it"
    formula = r"$(F(\bar x) - F^*) \,/\, F^*$"
    scale = "log"
    aggregate = "mean"

    def applies(self, reference: Reference) -> bool:
        return reference.problem.lower_bound() is None and bool((reference.value > 0).all())

    def values(self, reference: Reference, x: Tensor) -> Tensor:
        problem = reference.problem
        return (problem.objective(problem.average(x)) - reference.value) / reference.value

    def weights(self, reference: Reference) -> Tensor:
        return reference.value
