"""Runs of several settings of a method on the same instances, side by side as one batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from gnn_l2o.algorithms.base import select_copies
from gnn_l2o.algorithms.driver import Driver
from gnn_l2o.algorithms.tunable import Choice, Method, Setting, Tunable
from gnn_l2o.evaluation.instances import Instance
from gnn_l2o.evaluation.metrics import MEASURES, OptimalityGap, has_diverged
from gnn_l2o.evaluation.reference import Reference
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Problem

SHRINK = 0.75  # rebuilding the batch costs about one iteration, so it waits until a quarter of it is idle


class BatchedRuns:
    """Runs of several settings on the same instances, as one batch that may shrink on the way.

    Args:
        method: the method.
        settings: equal in the parameters that are choices.
        instances: the problems, side by side.
        dtype: precision of the runs.
        measure: the optimality gap, one of :data:`~gnn_l2o.evaluation.metrics.MEASURES`.

    Attributes:
        shape: how many settings and instances there were at the beginning.
        active: positions of the settings that still run.
    """

    def __init__(
        self,
        method: Method,
        settings: list[Setting],
        instances: Instance,
        dtype: torch.dtype,
        measure: str = "average",
    ) -> None:
        self._method, self._settings, self._instances, self._dtype = method, settings, instances, dtype
        self._gap, self._measured = OptimalityGap(), MEASURES[measure]()
        self.shape = len(settings), instances.problem.num_problems
        self.active = list(range(len(settings)))
        algorithm, problem, network, x0 = self._assemble()
        self._driver: Driver[Any] = Driver(algorithm, problem, network, x0)
        self._rounds = 0  # of the drivers before

    @property
    def rounds(self) -> int:
        """The communication rounds since the beginning, as the network counted them."""
        return self._rounds + self._driver.cost.rounds

    def last(self, iterations: int) -> int:
        """Return the last of so many iterations that the method can take."""
        depth = self._driver.algorithm.depth
        return iterations if depth is None else min(iterations, depth)

    def advance(self, iteration: int) -> None:
        """Take steps until so many were taken since the beginning."""
        self._driver.advance(iteration)

    def measure(self) -> tuple[np.ndarray, np.ndarray]:
        """Return optimality gap and divergence of the active settings on every instance."""
        x = self._driver.x
        gap = self._gap.values(self._reference, self._reference.convert(x))
        diverged = has_diverged(self._reference, x, gap)
        if self._measured.name != self._gap.name:
            gap = self._measured.values(self._reference, self._reference.convert(x))
        shape = len(self.active), -1
        return gap.reshape(shape).numpy(), diverged.reshape(shape).numpy()

    def shrink(self, needed: np.ndarray) -> None:
        """Drop the settings that are no longer needed, if that is worth rebuilding the batch.

        Args:
            needed: ``(settings,)``, bool.
        """
        active = [k for k in self.active if needed[k]]
        if 0 < len(active) <= SHRINK * len(self.active):
            self.select(active)

    def select(self, active: list[int]) -> None:
        """Go on with these settings only, which are among the active ones."""
        position = torch.tensor([self.active.index(k) for k in active])
        state = select_copies(self._driver.state, len(self.active), position)
        self.active = active
        self._rounds = self.rounds
        algorithm, problem, network, _ = self._assemble()
        self._driver = Driver.resume(algorithm, problem, network, state, self._driver.iteration)

    def _assemble(self) -> tuple[Tunable[Any], Problem, Network, Tensor]:
        batch = self._instances.repeat(len(self.active))
        self._reference: Reference = batch.reference(self._dtype)
        problem, network, x0 = batch.cast(self._dtype)
        setting = {name: self._values(name) for name in self._settings[0]}
        return self._method.from_setting(problem, setting), problem, network, x0

    def _values(self, name: str) -> float | Tensor:
        values = [self._settings[k][name] for k in self.active]
        if isinstance(self._method.grid[name], Choice):
            return values[0]
        return torch.tensor(values, dtype=self._dtype).repeat_interleave(self._nodes).unsqueeze(1)

    @property
    def _nodes(self) -> int:
        """The nodes of all instances of one setting."""
        return self._instances.problem.num_nodes
