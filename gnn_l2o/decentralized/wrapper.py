"""What the decentralized methods that run any local update share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import Algorithm, State
from gnn_l2o.local_updates.base import LocalUpdate
from gnn_l2o.problems import Problem
from gnn_l2o.problems.regularizers import Zero


@dataclass(frozen=True, eq=False)
class Wrapper(Algorithm[State]):
    r"""A decentralized method around a local update, handcrafted or learned.

    With one node it is exactly :math:`x + \Delta(\nabla f(x))`, bit for bit. Nothing in it keeps gradients from flowing
    through many iterations, so the weights of a learned update can be trained in it.

    A regularizer r is part of what is differentiated: to the gradient of node i its subgradient of smallest norm at
    x_i is added. With ``prox_step`` it is left to its prox instead, after the mixing. A local update has no step size
    that would belong to the prox, since every coordinate moves by its own rule: a solution is a fixed point only where
    the update moves along the gradient with just this step.

    Attributes:
        update: what every node does with its gradient.
        prox_step: the step of the prox of r; ``None`` for its subgradient.
    """

    update: LocalUpdate[Any]
    prox_step: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.update, LocalUpdate):
            raise InputError(f"{self.name} runs a local update such as Adam(step_size=0.01), got {self.update!r:.80}")
        if self.prox_step is not None and not 0 < self.prox_step < math.inf:
            raise InputError(f"{self.name} needs a finite prox_step > 0, got {self.prox_step}")

    @property
    def proxes(self) -> int:
        """Evaluations of the prox in an iteration."""
        return int(self.prox_step is not None)

    def gradient(self, problem: Problem, x: Tensor) -> Tensor:
        """Return what every node gives to its update or its tracker, ``(N, d)``."""
        return problem.gradient(x) if self.prox_step is not None else gradient_with_regularizer(problem, x)

    def regularized(self, problem: Problem, v: Tensor) -> Tensor:
        """Return the prox of v, ``(N, d)``, if there is one; otherwise v."""
        return v if self.prox_step is None else problem.prox(v, self.prox_step)


def gradient_with_regularizer(problem: Problem, x: Tensor) -> Tensor:
    """Return the gradient of f_i at x_i and the subgradient of smallest norm of r there, together: ``(N, d)``."""
    gradient = problem.gradient(x)
    if isinstance(problem.regularizer, Zero):
        return gradient
    return gradient + problem.node_regularizer.min_norm_subgradient(x, torch.zeros_like(x))
