"""Runs of an algorithm over the instances of a case as curves, and which algorithms lead a case."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gnn_l2o.evaluation import comparison
from gnn_l2o.evaluation.record import SHOWN, Case, Run
from gnn_l2o.evaluation.results import Results

LEADING = 3  # methods that stand out besides models and references; of more coloured lines none stands out


def leaders(results: Results, case: Case, tolerances: Sequence[float] = SHOWN) -> list[str]:
    """Return the algorithms that stand out in pictures of a case, in the order of the ranking.

    They are the models, the references and the best few of the other methods.
    """
    ranked = comparison.ranking(results, case, tolerances)
    always = [*results.models, *results.references]
    best = [name for name in ranked if name not in (*always, *results.limits)][:LEADING]
    return [name for name in ranked if name in always or name in best]


def abscissa(runs: Sequence[Run], quantity: str) -> np.ndarray:
    """Return what was spent at the checkpoints of the longest runs, the median over these.

    Args:
        runs: of one algorithm.
        quantity: as for :meth:`.Run.spent`.
    """
    columns = [run.spent(quantity) for run in runs]
    longest = max(map(len, columns))
    return np.asarray(np.median([column for column in columns if len(column) == longest], axis=0))


def stack(runs: Sequence[Run], column: str) -> np.ndarray:
    """Return a column of the traces of all runs at the checkpoints of the longest, ``(instances, checkpoints)``.

    A run that ended because it diverged is infinitely far from then on; one that a rule stopped stays where it was.
    """
    curves = np.full((len(runs), max(len(run.trace[column]) for run in runs)), np.inf)
    for row, run in zip(curves, runs, strict=True):
        values = [np.inf if v is None else v for v in run.trace[column]]
        row[: len(values)] = values
        if not run.diverged:
            row[len(values) :] = values[-1]
    return curves
