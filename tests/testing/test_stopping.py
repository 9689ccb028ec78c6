"""The contract of stopping rules: all that are built in keep it, and mutants are caught."""

from typing import Any

import pytest

from gnn_l2o.algorithms.stopping import Below, MaxRounds, MaxSeconds, StoppingRule
from gnn_l2o.testing import check_stopping_rule


@pytest.mark.parametrize("rule", [MaxRounds(3), MaxSeconds(1.0), Below("optimality_gap", 1e-3)])
def test_stopping_rules(rule: StoppingRule) -> None:
    check_stopping_rule(rule)


class Never(StoppingRule):
    def holds(self, standing: Any) -> bool:
        return False


class AtOnce(StoppingRule):
    def holds(self, standing: Any) -> bool:
        return True


class Tensorial(StoppingRule):
    def holds(self, standing: Any) -> Any:
        return standing.measures["optimality_gap"].max() < 1


class Counting(StoppingRule):
    count = 0

    def holds(self, standing: Any) -> bool:
        self.count += 1
        return standing.iteration > 10


class Fickle(StoppingRule):
    count = 0

    def holds(self, standing: Any) -> bool:
        type(self).count += 1
        return type(self).count % 2 == 0


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (Never(), "must hold at the end of a run"),
        (AtOnce(), "must not hold at the beginning of a run"),
        (Tensorial(), "holds must return a bool"),
        (Counting(), "holds changes the rule"),
        (Fickle(), "holds answers False, then True of the same standing"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_stopping_rules_that_break_the_contract_are_caught(rule: StoppingRule, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_stopping_rule(rule)
