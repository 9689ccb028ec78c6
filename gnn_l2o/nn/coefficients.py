"""The coefficients of MiLoDo's rule."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Coefficients:
    """The coefficients of the rule; R rows of edges, see :class:`.Exchange`.

    Attributes:
        preconditioner: p_i > 0, ``(N, d)`` or ``(N, 1)``.
        dual_step_size: p_ij1 = p_ji1 > 0, ``(R, d)`` or ``(R, 1)``.
        mixing_weight: p_ij2, ``(R, d)`` or ``(R, 1)``.
        momentum: a_i in [0, 1), ``(N, d)`` or ``(N, 1)``; ``None`` for the paper's rule, which has none.
    """

    preconditioner: Tensor
    dual_step_size: Tensor
    mixing_weight: Tensor
    momentum: Tensor | None = None
