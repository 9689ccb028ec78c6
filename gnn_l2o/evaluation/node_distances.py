"""How far every node is from the average of all, at few checkpoints of a run: what a drawing of the network shows."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from gnn_l2o.evaluation.reference import Reference

MAX_NODES = 40  # more cannot be told apart in a drawing
GROWTH = 1.25  # ratio of an iteration that is recorded to the one before


@dataclass
class NodeDistances:
    r"""The distances of the nodes from their average, relative to the solution; absolute where :math:`x^* = 0`.

    .. math::
        \frac{\|x_i - \bar x\|}{\|x^*\|}

    The root of their mean square is the consensus error.

    Attributes:
        reference: one problem and its solution.
        iterations: those that were recorded; from 4 on each about a quarter after the last.
        values: for each of them the distance of every node.
    """

    reference: Reference
    iterations: list[int] = field(default_factory=list)
    values: list[list[float]] = field(default_factory=list)

    def record(self, iteration: int, x: Tensor) -> None:
        """Record the iterates ``(N, d)`` after an iteration, unless the last record was just before."""
        if self.iterations and iteration < GROWTH * self.iterations[-1]:
            return
        problem, x = self.reference.problem, self.reference.convert(x)
        distance = (x - problem.spread(problem.average(x))).norm(dim=1) / self.reference.solution_norm
        self.iterations.append(iteration)
        self.values.append(problem.gather(distance.unsqueeze(1)).squeeze(1).tolist())
