r"""A safeguard of the rule: a node whose changes do not decay falls back to coefficients with a proof of convergence.

The stability bounds (:mod:`gnn_l2o.nn.stability`) come from special cases, and runs outside them may grow. Every node
therefore watches its own changes, which costs no communication, and compares them with a bound that decays. A node
whose changes exceed it takes short steps without momentum from then on; without a regularizer they are those of NIDS
(Li, Shi, Yan 2019). ``docs/theory.md`` proves that a run with frozen coefficients converges, whichever nodes fall back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gnn_l2o.graph.exchange import Exchange
from gnn_l2o.nn.coefficients import Coefficients

REFERENCE_ITERATIONS = 5
"""In which first iterations a node takes its largest change as the reference; ordinary runs stay below it later."""
EARLY_ITERATIONS = 20
"""Until when changes are compared with the bound in every iteration: while coefficients are recomputed, runs may
grow quickly, and no fallback restores what rounding destroys at large values."""
FACTOR, HORIZON, EXPONENT = 10.0, 1000.0, 2.25
"""C, K and s of the bound. As s > 2, even the sums of all later changes are summable, which the proof needs."""
DUAL_SHARE = 0.45
r"""Share of :math:`1 / \sum_j p_{ij1}` that a fallback takes; below 1/2 the fallback converges."""


@dataclass(frozen=True)
class Safeguard:
    r"""What the nodes have seen of their own changes.

    The change of a node in an iteration is :math:`\delta_i = \|z_i - z_i^-\| + \|y_i^+ - y_i\| / L_i`. It has to keep

    .. math:: \delta_i^k \le C R_i (1 + k / K)^{-s}

    with :math:`R_i` the largest of the first 5, C = 10, K = 1000 and s = 2.25.

    Attributes:
        reference: :math:`R_i`, ``(N, 1)``.
        excess: the largest :math:`\delta_i^k (1 + k / K)^s` so far, ``(N, 1)``.
        fallen: the nodes that have fallen back, ``(N, 1)``.
        any_fallen: whether there are any.
    """

    reference: Tensor
    excess: Tensor
    fallen: Tensor
    any_fallen: bool = False

    @classmethod
    def first(cls, smoothness: Tensor) -> Safeguard:
        """Return what nodes have seen before the first step; ``smoothness`` is ``(N, 1)``."""
        zero = torch.zeros_like(smoothness)
        return cls(zero, zero, torch.zeros_like(smoothness, dtype=torch.bool))

    def observe(self, move: Tensor, disagreement: Tensor, smoothness: Tensor, iteration: int) -> Safeguard:
        """Return what nodes have seen after an iteration.

        Args:
            move: z - z_previous, ``(N, d)``.
            disagreement: y after the step less y before, ``(N, d)``.
            smoothness: L_i, ``(N, 1)``.
            iteration: k, from 0.
        """
        change = torch.linalg.vector_norm(disagreement, dim=1, keepdim=True) / smoothness
        change = change + torch.linalg.vector_norm(move, dim=1, keepdim=True)
        if iteration < REFERENCE_ITERATIONS:
            return replace(self, reference=torch.maximum(self.reference, change))
        return replace(self, excess=torch.maximum(self.excess, change * (1 + iteration / HORIZON) ** EXPONENT))

    def checked(self) -> Safeguard:
        """Return the same after comparing what was seen with the bound; nodes never return from a fallback."""
        fallen = self.fallen | ~(self.excess <= FACTOR * self.reference)
        return replace(self, fallen=fallen, any_fallen=bool(fallen.any()))

    def momentum(self, momentum: Tensor | None) -> Tensor | None:
        """Return a_i, which is 0 at fallen nodes, ``(N, d)`` or ``(N, 1)``."""
        if momentum is None or not self.any_fallen:
            return momentum
        return torch.where(self.fallen, 0, momentum)

    def kept(self, fallback: Tensor, otherwise: Tensor) -> Tensor:
        """Return ``fallback`` at fallen nodes and ``otherwise`` elsewhere: ``(N, d)`` or ``(N, 1)`` each."""
        return torch.where(self.fallen, fallback, otherwise) if self.any_fallen else otherwise


def fallback_step_size(smoothness: Tensor, dual_step_size: Tensor, exchange: Exchange) -> Tensor:
    r"""Return the step size of nodes that have fallen back, ``(N, 1)`` or ``(N, d)``.

    .. math:: p_i = \min\Bigl(\frac{1}{L_i}, \frac{0.45}{\sum_j p_{ij1}}\Bigr)

    Args:
        smoothness: L_i, ``(N, 1)``.
        dual_step_size: p_ij1, ``(R, 1)`` or ``(R, d)``.
        exchange: of the graph; nothing is sent.
    """
    total = exchange.reduce(dual_step_size, "sum", empty=0.0)
    return torch.minimum(1 / smoothness, DUAL_SHARE / total.clamp(min=torch.finfo(total.dtype).tiny))


def fall_back(safeguard: Safeguard, coefficients: Coefficients, smoothness: Tensor, exchange: Exchange) -> Coefficients:
    """Return the coefficients with those of a fallback at fallen nodes.

    Args:
        safeguard: says which nodes have fallen back.
        coefficients: the last ones.
        smoothness: L_i, ``(N, 1)``.
        exchange: of the graph; nothing is sent.
    """
    short = fallback_step_size(smoothness, coefficients.dual_step_size, exchange)
    return replace(
        coefficients,
        preconditioner=safeguard.kept(short, coefficients.preconditioner),
        momentum=safeguard.momentum(coefficients.momentum),
    )
