"""Step sizes that are learned while an optimizer runs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.network import Network
from gnn_l2o.local_updates import Adam, LocalUpdate
from gnn_l2o.problems import Problem
from gnn_l2o.step_sizes.blocks import Blocks, Division, Shapes, check_division, count_blocks

blocks_of = lru_cache(maxsize=16)(Blocks.of)


@dataclass(frozen=True, eq=False)
class StepSizes:
    """What a node remembers of its step sizes, for B blocks of coordinates."""

    log_step: Tensor  # (N, B), beta
    correction: Tensor  # (N, B), the estimate of the mean slope less the node's own slope
    highest: Tensor  # (N, 1), an upper bound of beta
    memory: Any  # of the meta update
    updates: int  # k


@dataclass(frozen=True, eq=False)
class StepSizeLearner:
    r"""Moves the logarithms beta of step sizes along an estimate of how the loss depends on them.

    .. math::
        z_i       &= \sum_{c \in \text{block}} h_{ic}\, g_{ic}                         && \text{the slope} \\
        s_i       &= z_i + c_i, \qquad c_i^+ = \sum_j w_{ij} s_j - z_i                 && \text{its mean} \\
        \beta_i^+ &= \sum_j w_{ij}\, \operatorname{clip}\bigl(\beta_j + \Delta^{\text{meta}}_j(s_j)\bigr)

    h is the derivative of the iterate with respect to beta, which the algorithm provides. The mean over the nodes is
    tracked (dynamic average consensus); the numbers s and beta travel with a vector of the iteration. With one node
    s = z, bit for bit.

    While nodes move beta by different amounts their steps differ, and so methods that need equal steps err. With
    ``decay`` moves are divided by :math:`1 + \text{decay} \cdot k`, so that this dies out.

    Without ``shared`` every node has step sizes of its own, and sends no number: then s = z, and nothing is mixed.

    Attributes:
        meta: what moves beta, any local update.
        blocks: which coordinates share a step size, see :data:`~gnn_l2o.step_sizes.blocks.Division`.
        shared: whether all nodes have the same step sizes, up to what mixing leaves.
        ceiling: steps stay at most this fraction of the largest stable step, which is a number over the largest L_i of
            the problem; the nodes find that before the first iteration. ``None`` for no such bound, as for updates
            whose steps are in units of x.
        lowest: steps stay at least this, so that they can grow again.
        highest: steps stay at most this.
        decay: how fast moves of beta shrink, 0 for not at all.
    """

    meta: LocalUpdate[Any] = Adam(step_size=0.05)  # noqa: RUF009  # frozen
    blocks: Division = "whole"
    shared: bool = True
    ceiling: float | None = None
    lowest: float = 1e-10
    highest: float = math.inf
    decay: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.meta, LocalUpdate):
            raise InputError(f"meta is a local update such as Adam(step_size=0.01), got {self.meta!r:.80}")
        check_division(self.blocks)
        if not isinstance(self.blocks, str):
            object.__setattr__(self, "blocks", tuple(tuple(block) for block in self.blocks))
        if self.ceiling is not None and not 0 < self.ceiling < math.inf:
            raise InputError(f"a ceiling is a finite number > 0, got {self.ceiling}")
        if not 0 < self.lowest <= self.highest:
            raise InputError(f"expected 0 < lowest <= highest, got {self.lowest} and {self.highest}")
        if not 0 <= self.decay < math.inf:
            raise InputError(f"expected a finite decay >= 0, got {self.decay}")

    @property
    def setup_knowledge(self) -> frozenset[str]:
        """Which facts about the whole graph it reads."""
        return frozenset() if self.ceiling is None else frozenset({"graph_max"})

    def numbers(self, shapes: Shapes) -> int:
        """Return how many numbers travel with a vector of every iteration."""
        return 2 * count_blocks(self.blocks, shapes) if self.shared else 0

    def init(
        self, step_size: float | Tensor, problem: Problem, network: Network, x0: Tensor, stable: float | Tensor
    ) -> StepSizes:
        """Return what nodes remember before the first iteration.

        Args:
            step_size: the first one, a number or ``(N, 1)``.
            problem: of whose coordinates and smoothness.
            network: over which the largest smoothness constant is found.
            x0: ``(N, d)``.
            stable: the largest stable step in units of 1/L, a number or ``(N, 1)``.
        """
        column = torch.zeros_like(x0[:, :1])
        highest = column + math.log(self.highest)
        if self.ceiling is not None:
            largest = network.graph_max(problem.smoothness().to(x0))
            highest = torch.minimum(highest, (self.ceiling * stable / largest).log())
        first = column + torch.as_tensor(step_size).to(x0).log()
        blocks = count_blocks(self.blocks, problem.shapes)
        beta = self._clipped(first, highest).repeat(1, blocks)
        return StepSizes(
            log_step=beta,
            correction=torch.zeros_like(beta),
            highest=highest,
            memory=self.meta.init(beta, ((blocks,),)),
            updates=0,
        )

    def step_size(self, steps: StepSizes, problem: Problem) -> Tensor:
        """Return the step of every coordinate, ``(N, d)``, or of all, ``(N, 1)``."""
        return self._blocks(problem, steps.log_step).spread(steps.log_step.exp())

    def learn(self, steps: StepSizes, slopes: Tensor, problem: Problem) -> tuple[StepSizes, Tensor]:
        """Return what nodes remember after a meta update, nothing of it mixed, and the numbers that are to be mixed.

        Args:
            steps: what they remembered.
            slopes: h g, ``(N, d)``.
            problem: of which.

        Returns:
            The step sizes, whose ``correction`` is minus the slope; and beta and s side by side, ``(N, 2 B)``.
        """
        slope = self._blocks(problem, slopes).sums(slopes)
        mean = slope + steps.correction
        move, memory = self.meta.delta(mean, steps.log_step, steps.memory)
        if self.decay:
            move = move / (1 + self.decay * steps.updates)
        beta = self._clipped(steps.log_step + move, steps.highest)
        correction = -slope if self.shared else steps.correction
        learned = StepSizes(beta, correction, steps.highest, memory, steps.updates + 1)
        return learned, torch.cat([beta, mean], dim=1)

    def mixed(self, steps: StepSizes, numbers: Tensor) -> StepSizes:
        """Return the step sizes of :meth:`learn` after its numbers were mixed."""
        beta, mean = numbers.chunk(2, dim=1)
        return replace(steps, log_step=beta, correction=mean + steps.correction)

    def _clipped(self, beta: Tensor, highest: Tensor) -> Tensor:
        return torch.minimum(beta.clamp(min=math.log(self.lowest)), highest)

    def _blocks(self, problem: Problem, like: Tensor) -> Blocks:
        return blocks_of(self.blocks, problem.shapes, like.device)
