"""A small evaluation, how it is killed, and a file of a user's own."""

from typing import Any

import torch

import gnn_l2o
from gnn_l2o.evaluation import Results
from tests.evaluation.learned_step import Learned
from tests.evaluation.small_cases import SMALL

MINE = """
from gnn_l2o.evaluation import Metric
from gnn_l2o.handcrafted import ProxED

class Mine(ProxED):
    name = "mine"
    label = "my own method"

class Support(Metric):
    name = "support"
    label = "nonzero coordinates"

    def values(self, reference, x):
        return (reference.problem.average(x) != 0).sum(dim=1)
"""


def small(**changes: Any) -> Results:
    options: dict[str, Any] = dict(
        models=[Learned(torch.tensor(0.9))],
        datasets=[SMALL],
        topologies=["erdos_renyi:p=0.6"],
        nodes=[4, 6],
        algorithms=["prox_ed", "pg_extra"],
        limits=[],
        instances=2,
        iterations=60,
        tuning_budget=6,
        tuning_instances=2,
    )
    return gnn_l2o.evaluate(**{**options, **changes})


class Killed(Exception):
    pass


def killed_after(count: int) -> Any:
    def report(what: str, done: float) -> None:
        nonlocal count
        count -= 1
        if count < 0:
            raise Killed

    return report
