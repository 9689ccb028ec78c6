"""How certain a median over few instances is."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable

import numpy as np

MIN_INSTANCES = 5
"""Intervals of fewer values say little and are not shown."""

LEVEL = 0.95
RESAMPLES = 2000
SEED = 0

Interval = tuple[float, float]


def median_interval(values: Iterable[float]) -> Interval | None:
    """Return the 95 % percentile-bootstrap interval of the median (Efron 1979); ``None`` for few values.

    Its ends are quantiles of the medians of :data:`RESAMPLES` samples that are drawn from the values with replacement,
    always the same draws.

    Args:
        values: over the instances; infinite where a tolerance was not reached.
    """
    values = tuple(values)
    return _interval(values) if len(values) >= MIN_INSTANCES else None


@functools.lru_cache(maxsize=65536)  # tables and files show the same numbers
def _interval(values: tuple[float, ...]) -> Interval:
    medians = np.sort(np.median(np.array(values, dtype=float)[_draws(len(values))], axis=1))
    return _quantile(medians, (1 - LEVEL) / 2), _quantile(medians, (1 + LEVEL) / 2)


@functools.cache
def _draws(count: int) -> np.ndarray:
    return np.random.default_rng(SEED).integers(0, count, (RESAMPLES, count))


def _quantile(ascending: np.ndarray, share: float) -> float:
    """Return a quantile between its two neighbours, which may be infinite (numpy's would be NaN)."""
    position = share * (len(ascending) - 1)
    low, high = ascending[math.floor(position)], ascending[math.ceil(position)]
    return float(low if low == high else low + (position - math.floor(position)) * (high - low))
