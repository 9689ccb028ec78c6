"""A safeguard for learned optimizers of games: nodes whose field does not fall go on with a handcrafted step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from gnn_l2o.algorithms.extrapolation import extrapolated_step
from gnn_l2o.problems import Problem

Fallback = Literal["none", "halpern", "extragradient"]
STEPS: Mapping[str, float] = {"halpern": 1 / 8, "extragradient": 1 / 2}
"""Of the fallbacks, in units of 1 / L_i; that of Halpern's iteration is from Yoon, Ryu 2021 (arXiv:2102.07922)."""
FACTOR, HORIZON, EXPONENT = 2.0, 20.0, 3.0
"""C, K and s of the bound. As s > 1, it falls faster than what Halpern's iteration promises."""


@dataclass(frozen=True)
class FieldSafeguard:
    r"""What every node has seen of its own field.

    A node takes learned steps while its field stays below a bound that falls,

    .. math:: \|G_i(x_i^k)\| \le C \|G_i(x_i^0)\| (1 + k / K)^{-s}

    with C = 2, K = 20 and s = 3. From the first iteration m on in which the field is larger, it takes the steps of a
    handcrafted method, with a step size of its own and two gradients, and mixes as before:

    .. math:: a = x_i^k + \frac{x_i^m - x_i^k}{k - m + 2}, \qquad a - \eta_i G_i(a - \eta_i G_i(x_i^k))

    with :math:`\eta_i = 1 / (8 L_i)`, which is :class:`.Halpern` begun at :math:`x_i^m`, or with a = x and
    :math:`\eta_i = 1 / (2 L_i)`, which is :class:`.Extragradient`. It never returns to learned steps.

    **A promise.** At one node with a monotone field a run either stays below the bound, of order 1/k^3, or is in the
    end Halpern's iteration, whose residual is of order 1/k.

    **A local criterion.** A node knows its own field only, and nothing is sent. The norm of the mean field, which is
    what should fall, cannot be had from an average of numbers: it takes an average of vectors, one more an edge and
    iteration. The mean of the norms, a number, is no better than the norms themselves, as neither vanishes where only
    the mean field does. There, all nodes fall back in the end, which costs speed, and no more. So nodes decide alone,
    and some may go on with learned steps while others have fallen back.

    Attributes:
        step_size: :math:`\eta_i`, ``(N, 1)``.
        anchored: whether the fallback is Halpern's iteration.
        reference: :math:`\|G_i(x_i^0)\|`, ``(N, 1)``; infinite before it is known.
        iteration: k.
        fallen: the nodes that have fallen back, ``(N, 1)``.
        anchor: :math:`x_i^m`, for the others the present iterate, ``(N, d)``.
        since: k - m, for the others 0, ``(N, 1)``.
    """

    step_size: Tensor
    anchored: bool
    reference: Tensor
    iteration: int
    fallen: Tensor
    anchor: Tensor
    since: Tensor

    @classmethod
    def first(cls, fallback: Fallback, problem: Problem, x0: Tensor) -> FieldSafeguard | None:
        """Return what nodes have seen before the first step, ``None`` without a fallback; ``x0`` is ``(N, d)``."""
        if fallback == "none":
            return None
        zero = torch.zeros_like(x0[:, :1])
        step_size = STEPS[fallback] / problem.smoothness().to(x0)
        unknown = torch.full_like(zero, torch.inf)
        return cls(step_size, fallback == "halpern", unknown, 0, zero.bool(), x0, zero)

    def observe(self, x: Tensor, field: Tensor) -> FieldSafeguard:
        """Return what nodes have seen when they know their field at x, both ``(N, d)``."""
        size = torch.linalg.vector_norm(field.detach(), dim=1, keepdim=True)
        reference = self.reference if self.iteration else size
        bound = FACTOR * reference * (1 + self.iteration / HORIZON) ** -EXPONENT
        since = torch.where(self.fallen, self.since + 1, 0.0)
        anchor = torch.where(self.fallen, self.anchor, x)
        fallen = self.fallen | ~(size <= bound)
        return replace(
            self, reference=reference, iteration=self.iteration + 1, fallen=fallen, anchor=anchor, since=since
        )

    def step(self, problem: Problem, x: Tensor, field: Tensor) -> Tensor:
        """Return where nodes that have fallen back move before they mix; ``(N, d)``, as x and the field there."""
        base = x + (self.anchor - x) / (self.since + 2) if self.anchored else x
        return extrapolated_step(problem, base, field, self.step_size)
