"""The contract of stopping rules."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.algorithms.standing import Standing
from gnn_l2o.algorithms.stopping import StoppingRule
from gnn_l2o.testing.expect import expect

HUGE = 10**9


def check_stopping_rule(rule: StoppingRule, *, measures: Sequence[str] = ("optimality_gap",)) -> None:
    """Check that a stopping rule keeps the contract of :class:`~gnn_l2o.algorithms.stopping.StoppingRule`.

    - ``holds`` returns a bool, the same for the same standing, and changes neither the standing nor the rule, so that
      one rule may serve many runs;
    - it does not hold at the beginning, where nothing was spent and all measures are infinite;
    - it holds at the end, where everything was spent and all measures are zero: no run goes on for ever.

    Args:
        rule: to check.
        measures: names of what the rule reads.

    Raises:
        AssertionError: the contract is violated; the message says how.
    """
    name = type(rule).__name__
    expect(isinstance(rule, StoppingRule), f"{name}: expected a StoppingRule")
    beginning, end = _standing(measures, 0, math.inf), _standing(measures, HUGE, 0.0)
    before = copy.deepcopy(vars(rule))
    for standing, wanted, where in ((beginning, False, "at the beginning"), (end, True, "at the end")):
        found = rule.holds(standing)
        expect(type(found) is bool, f"{name}: holds must return a bool, got {found!r}")
        expect(rule.holds(standing) == found, f"{name}: holds answers {found}, then {not found} of the same standing")
        expect(found == wanted, f"{name}: must {'hold' if wanted else 'not hold'} {where} of a run")
    expect(vars(rule) == before, f"{name}: holds changes the rule; one rule may serve many runs")
    expect(rule.holds(beginning) is False, f"{name}: still holds in a second run; one rule may serve many runs")


def _standing(measures: Sequence[str], spent: int, value: float) -> Standing:
    cost = Cost(rounds=spent, vectors=spent, numbers=spent, gradients=spent, proxes=spent)
    values = {name: torch.full((2,), value, dtype=torch.float64) for name in measures}
    return Standing(spent, None, cost, float(spent), values)
