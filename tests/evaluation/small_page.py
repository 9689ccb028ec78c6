"""Results to show on a page, and the gaps it speaks of."""

from typing import Any

import gnn_l2o
from gnn_l2o.evaluation import Plan, Results
from tests.evaluation.small_cases import SMALL

TOLERANCES = (1e-4, 1e-6)


def results(**changes: Any) -> Results:
    """Return those of a model, methods and a limit on two cases, other settings as given."""
    settings: dict[str, Any] = dict(
        models=["milodo_local"], datasets=[SMALL], nodes=[4, 6], algorithms=["prox_ed", "dapg"], limits=["diameter"]
    )
    settings |= dict(instances=2, iterations=60, tuning_budget=4, tuning_instances=1)
    return gnn_l2o.evaluate(Plan(**{**settings, **changes}))
