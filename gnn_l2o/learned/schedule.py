"""When coefficients are recomputed, and how step sizes vary while they are frozen."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class RecomputeSchedule:
    """When new coefficients are computed; in between the last ones are frozen.

    Attributes:
        warmup: recompute in each of the first so many iterations.
        every: afterwards recompute in each ``every``-th iteration; 0 freezes the coefficients for good, after which the
            rule is a fixed operator.
    """

    warmup: int = 20
    every: int = 0

    def due(self, iteration: int) -> bool:
        """Tell whether iteration number ``iteration``, from 0, recomputes the coefficients."""
        return iteration < self.warmup or (self.every > 0 and (iteration - self.warmup) % self.every == 0)


ALWAYS = RecomputeSchedule(warmup=0, every=1)
MIN_CURVATURE = 0.1
"""The smallest curvature that a Chebyshev step-size schedule is made for, relative to the largest."""


def chebyshev_step_factors(length: int) -> tuple[float, ...]:
    r"""Return the factors of a Chebyshev step-size schedule: (1,) for length 1, else those of the semi-iteration.

    .. math:: \tau_k = \frac{1}{(1 + \epsilon) + (1 - \epsilon) \cos \theta_k}, \quad
        \theta_k = \frac{2 k + 1}{2 T} \pi, \quad k = 0, \dots, T - 1

    with :math:`\epsilon = 0.1`. Where gradient steps with step sizes below c are stable, T of them with the step sizes
    :math:`\tau_k c` are stable together (Young 1953), though the largest is not alone, and their mean is 1.4 c for
    T = 2, 1.5 c for T = 3.

    Args:
        length: T.
    """
    if length == 1:
        return (1.0,)
    angles = [math.pi * (2 * k + 1) / (2 * length) for k in range(length)]
    return tuple(1 / (1 + MIN_CURVATURE + (1 - MIN_CURVATURE) * math.cos(angle)) for angle in angles)
