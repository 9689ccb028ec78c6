"""What training minimizes."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from gnn_l2o.training.config import LossName
from gnn_l2o.training.pool import Batch

FLOOR = 1e-7  # a relative gap below the resolution of float32 teaches nothing
TOLERANCE = 1e-5  # the relative gap that should be reached soon


def relative_gap(batch: Batch, x: Tensor) -> Tensor:
    r"""Return :math:`(F(\bar x) - F^*) / (F(x^0) - F^*)` of every problem: ``(N, d)`` to ``(B,)``."""
    return (batch.problem.objective(batch.problem.average(x)) - batch.optimum) / (
        batch.initial_objective - batch.optimum
    )


def segment_loss(name: LossName, batch: Batch, segment: range, gaps: Mapping[int, Tensor]) -> Tensor:
    r"""Return the loss of some iterations, averaged over the problems of the batch.

    - ``"objective"``: :math:`F(\bar x^k)`, whose mean over the iterations is (29) of He et al. 2024.
    - ``"log_gap"``: the logarithm of the relative gap, to which a decade counts the same wherever it is gained. The
      last iteration weighs as much as all together: a run that has turned and will diverge shows it nowhere else.
    - ``"area"``: the same, measured at evenly spaced iterations: the area under the curve, for a run that should be
      fast to a small gap rather than at once.
    - ``"log_area"``: the logarithm of every problem's :func:`area_above_tolerance`, which is about that of the time it
      takes: to be a tenth faster counts the same for a problem of twenty iterations and for one of a thousand.

    Args:
        name: which.
        batch: the problems.
        segment: the iterations that are differentiated together.
        gaps: the relative gaps, ``(B,)``, by iteration, in their order; it ends early where a run was given up.
    """
    if name == "objective":
        return torch.stack(
            [(batch.optimum + gap * (batch.initial_objective - batch.optimum)).mean() for gap in gaps.values()]
        ).mean()
    if name == "log_area":
        return (1 + area_above_tolerance(segment, gaps)).log().mean()
    losses = [(gap.clamp(min=0) + FLOOR).log().mean() for gap in gaps.values()]
    return 0.5 * (torch.stack(losses).mean() + losses[-1])


def area_above_tolerance(segment: range, gaps: Mapping[int, Tensor]) -> Tensor:
    r"""Return :math:`\sum_k \log_{10} (1 + g_k / \tau)` of every problem over a segment, with :math:`\tau = 10^{-5}`.

    A run that falls to the tolerance in T iterations, a decade in as many as any other, has the area 5 T / 2. What is
    above the tolerance at the end counts for as many iterations again: it has still to be gone.

    Args:
        segment: of iterations.
        gaps: relative gaps, ``(B,)``, by iteration; each stands for those since the one before, the last for the rest.

    Returns:
        ``(B,)``.
    """
    area, before, height = torch.zeros(()), segment[0] - 1, torch.zeros(())
    for k, gap in gaps.items():
        height = (1 + gap.clamp(min=0) / TOLERANCE).log10()
        area, before = area + (k - before) * height, k
    return area + (segment[-1] - before + len(segment)) * height


def measured_iterations(name: LossName, iterations: int) -> list[int]:
    """Return the iterations, from 1, at which the loss is taken.

    All for (29); for ``"log_gap"`` log-spaced, a sixth apart; for ``"area"`` 24 or a few more, evenly spaced; for
    ``"log_area"`` at most 32, which grow like squares, as some problems are over after twenty iterations.
    """
    if name == "objective":
        return list(range(1, iterations + 1))
    if name == "area":
        every = max(1, iterations // 24)
        return sorted({*range(every, iterations + 1, every), iterations})
    if name == "log_area":
        return sorted({max(1, round(iterations * (k / 32) ** 2)) for k in range(1, 33)})
    chosen, k = [], 1
    while k < iterations:
        chosen.append(k)
        k = max(k + 1, round(k * 7 / 6))
    return [*chosen, iterations]
