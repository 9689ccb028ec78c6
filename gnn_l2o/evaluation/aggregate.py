"""What stands for the values of a metric on several instances in figures and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gnn_l2o.evaluation.record import Run


def over_instances(
    values: np.ndarray | Sequence[float], runs: Sequence[Run], metric: str, description: Mapping[str, Any]
) -> np.ndarray:
    r"""Return the median over the instances, or, where a metric says so, the weighted mean.

    .. math::
        \frac{\sum_i w_i v_i}{\sum_i w_i}

    Args:
        values: :math:`v_i`, of the metric, ``(instances, ...)``.
        runs: which the values belong to; they know the weights :math:`w_i`.
        metric: its name.
        description: of the metric, as results have it.
    """
    if description["aggregate"] == "median":
        return np.asarray(np.median(values, axis=0))
    return np.asarray(np.average(np.asarray(values), axis=0, weights=[run.weights.get(metric, 1.0) for run in runs]))
