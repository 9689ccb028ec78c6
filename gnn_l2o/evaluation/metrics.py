"""Metrics: what is measured at the iterates of a run. No algorithm measures itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.registry import Registry
from gnn_l2o.evaluation.reference import Reference
from gnn_l2o.problems import MinMax

DIVERGED = 1e6
"""A run whose relative optimality gap exceeds this bound has diverged: of all runs seen, none came back from there."""


class Metric(ABC):
    """One number for each problem, measured at the iterates of a run. Subclasses need no arguments to be made.

    A metric of your own takes part where its class is named: ``gnn_l2o.evaluate(..., metrics=["optimality_gap",
    "path/to/file.py"])``. :func:`gnn_l2o.register` makes it known by its name.

    Attributes:
        name: of the column in ``results.json``, ``"support"``.
        label: what tables and figures call it, in words.
        formula: what figures print behind the label, in mathtext.
        scale: of the axis in figures.
        aggregate: what stands for several instances in figures and tables: the median, or the mean, weighted by
            :meth:`weights`.

    Example:
        >>> class Support(Metric):
        ...     name = "support"
        ...     label = "nonzero coordinates of the average"
        ...
        ...     def values(self, reference, x):
        ...         return (reference.problem.average(x) != 0).sum(dim=1)
    """

    name: ClassVar[str]
    label: ClassVar[str]
    formula: ClassVar[str] = ""
    scale: ClassVar[Literal["linear", "log"]] = "linear"
    aggregate: ClassVar[Literal["median", "mean"]] = "median"

    def applies(self, reference: Reference) -> bool:
        """Tell whether the metric is defined for these problems."""
        return True

    @abstractmethod
    def values(self, reference: Reference, x: Tensor) -> Tensor:
        """Return the metric of every problem.

        Args:
            reference: the problems and their solutions.
            x: ``(N, d)``, the iterates of all nodes, in the precision of the reference; the averages over the nodes of
                each problem are ``reference.problem.average(x)``, ``(B, d)``.

        Returns:
            ``(B,)``.
        """

    def weights(self, reference: Reference) -> Tensor:
        """Return the weight of every problem in a mean over instances, ``(B,)``; by default 1."""
        return torch.ones_like(reference.value)


METRICS: Registry[Metric] = Registry("metric", Metric)
"""The metrics that are known by name."""


@METRICS.register
class OptimalityGap(Metric):
    r"""The relative optimality gap of the average of the nodes, infinite where that lies outside the domain of r.

    .. math::
        \frac{F(\bar x) - F^*}{F(x^0) - F^*}, \qquad \bar x = \tfrac1N \sum_i x_i

    The denominator is :attr:`Reference.gap_scale`. For a neural network, whose :math:`F^*` is the lower bound 0, the
    optimality gap is the training loss relative to that of the initial point. For a min-max problem, whose objective is
    the residual (:class:`.MinMax`), it is the residual relative to that of the initial point. On a stream
    (:class:`.PermutedLabels`) the mean loss of its draws so far (:class:`.OnlineLoss`) takes the place of F.
    """

    name = "optimality_gap"
    label = "optimality gap"
    formula = r"$(F(\bar x) - F^*) \,/\, (F(x^0) - F^*)$"
    scale = "log"

    def values(self, reference: Reference, x: Tensor) -> Tensor:
        online, problem = reference.online, reference.problem
        reached = problem.objective(problem.average(x)) if online is None else online.mean(x)
        return (reached - reference.value) / reference.gap_scale


@METRICS.register
class WorstNodeGap(Metric):
    r"""The relative optimality gap of the worst node, infinite where a node is outside the domain of r.

    .. math::
        \frac{\max_i F(x_i) - F^*}{F(x^0) - F^*}

    A user reads the point of a node, not the average. The denominator is :attr:`Reference.gap_scale`, as that of
    :class:`OptimalityGap`. The metric is left out for neural networks, whose minimum is unknown.
    """

    name = "worst_node_gap"
    label = "worst node's optimality gap"
    formula = r"$(\max_i F(x_i) - F^*) \,/\, (F(x^0) - F^*)$"
    scale = "log"

    def applies(self, reference: Reference) -> bool:
        return reference.problem.lower_bound() is None

    def values(self, reference: Reference, x: Tensor) -> Tensor:
        problem = reference.problem
        worst = problem.maximum(problem.objective_at_nodes(x).unsqueeze(1)).squeeze(1)
        return (worst - reference.value) / reference.gap_scale


MEASURES: Mapping[str, type[Metric]] = {"average": OptimalityGap, "worst": WorstNodeGap}
"""The metrics that rounds can be counted to, by the node whose point is measured."""


@METRICS.register
class ConsensusError(Metric):
    r"""The distance of the nodes from their average, relative to the solution; absolute where :math:`x^* = 0`.

    .. math::
        \frac{\|X - \mathbf 1 \bar x^\top\|_F}{\sqrt N \, \|x^*\|}
    """

    name = "consensus_error"
    label = "consensus error"
    formula = r"$\|X - \mathbf{1} \bar x^T\|_F \,/\, (\sqrt{N} \|x^*\|)$"
    scale = "log"

    def values(self, reference: Reference, x: Tensor) -> Tensor:
        problem = reference.problem
        deviation = (x - problem.spread(problem.average(x))).square().sum(dim=1, keepdim=True)
        return problem.average(deviation).squeeze(1).sqrt() / reference.solution_norm


@METRICS.register
class Accuracy(Metric):
    """The share of test samples that the average of the nodes gets right, where there are test samples."""

    name = "accuracy"
    label = "test accuracy"

    def applies(self, reference: Reference) -> bool:
        problem = reference.problem
        return problem.accuracy(problem.average(reference.x0)) is not None

    def values(self, reference: Reference, x: Tensor) -> Tensor:
        accuracy = reference.problem.accuracy(reference.problem.average(x))
        assert accuracy is not None  # else the metric does not apply
        return accuracy


@METRICS.register
class Residual(Metric):
    r"""The norm of the mean field of a min-max problem at the average of the nodes.

    .. math::
        \|G(\bar x)\|, \qquad G(x) = \frac1N \sum_i \bigl(\nabla_u F_i(x), -\nabla_v F_i(x)\bigr)
    """

    name = "residual"
    label = "residual"
    formula = r"$\|G(\bar x)\|$"
    scale = "log"

    def applies(self, reference: Reference) -> bool:
        return isinstance(reference.problem, MinMax)

    def values(self, reference: Reference, x: Tensor) -> Tensor:
        return reference.problem.objective(reference.problem.average(x))


@METRICS.register
class SaddleDistance(Metric):
    """The distance of the average of the nodes from the nearest saddle point of a min-max problem."""

    name = "saddle_distance"
    label = "distance from a saddle point"
    scale = "log"

    def applies(self, reference: Reference) -> bool:
        return isinstance(reference.problem, MinMax)

    def values(self, reference: Reference, x: Tensor) -> Tensor:
        assert isinstance(reference.problem, MinMax)  # else the metric does not apply
        return reference.problem.saddle_distance(reference.problem.average(x))


BUILT_IN = tuple(METRICS.names())
"""The metrics of this file, which evaluations take by default."""


class Metrics:
    """Measures iterates by several metrics.

    Args:
        reference: what the iterates are measured against.
        metrics: those that do not apply are left out.
    """

    def __init__(self, reference: Reference, metrics: Sequence[Metric]) -> None:
        self.reference = reference
        self.metrics = tuple(metric for metric in metrics if metric.applies(reference))

    def __call__(self, x: Tensor) -> dict[str, Tensor]:
        """Return the values of all metrics at x, ``(N, d)``: ``(B,)`` by the name of the metric.

        Raises:
            InputError: a metric has values of another shape.
        """
        x = self.reference.convert(x)
        return {metric.name: self._values(metric, x) for metric in self.metrics}

    def weights(self) -> dict[str, Tensor]:
        """Return the weights of the metrics that are averaged over instances, ``(B,)`` by the name of the metric."""
        return {metric.name: metric.weights(self.reference) for metric in self.metrics if metric.aggregate == "mean"}

    def _values(self, metric: Metric, x: Tensor) -> Tensor:
        values = metric.values(self.reference, x)
        expected = tuple(self.reference.value.shape)
        if not isinstance(values, Tensor) or values.shape != expected:
            got = tuple(values.shape) if isinstance(values, Tensor) else f"{values!r:.80}"
            raise InputError(f"metric {metric.name!r} needs a value for each problem, shape {expected}; got {got}")
        return values


def has_diverged(reference: Reference, x: Tensor, optimality_gap: Tensor) -> Tensor:
    """Tell of every problem whether the run has diverged.

    It has where the average is not finite, or the optimality gap is no number, or above :data:`DIVERGED` inside the
    domain of r.

    Args:
        reference: what the iterates are measured against.
        x: the iterates, ``(N, d)``.
        optimality_gap: the metric of that name at x, ``(B,)``.

    Returns:
        ``(B,)``, bool.
    """
    mean = reference.problem.average(reference.convert(x))
    outside = reference.problem.regularizer.value(mean).isinf()
    return ~mean.isfinite().all(dim=1) | optimality_gap.isnan() | ((optimality_gap > DIVERGED) & ~outside)
