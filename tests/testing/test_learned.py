"""The contract of learned optimizers: all kinds keep it, and mutants are caught."""

import math
from typing import Any

import pytest
import torch

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.learned import ARCHITECTURES, LearnedOptimizer, LPGExtraArchitecture
from gnn_l2o.testing import check_learned_optimizer


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_learned_optimizers(name: str) -> None:
    check_learned_optimizer(ARCHITECTURES[name]())


class Forgetful(LPGExtraArchitecture):
    name = "forgetful"

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.name}


class Nameless(LPGExtraArchitecture):
    name = "nameless"

    def algorithm(self, weights: Any, name: str | None = None) -> Any:
        return super().algorithm(weights, "always the same")


class Random(LPGExtraArchitecture):
    name = "random"
    seeds = iter(range(10**6))

    def build(self) -> Any:
        weights = super().build()
        with torch.no_grad():
            next(weights.parameters()).add_(next(self.seeds))
        return weights


class Infinite(LPGExtraArchitecture):
    name = "infinite"

    def initialize(self, weights: Any, init: str, step_size: float | None) -> None:
        with torch.no_grad():
            next(weights.parameters()).fill_(math.inf)


class Unlearned(LPGExtraArchitecture):
    name = "unlearned"

    def algorithm(self, weights: Any, name: str | None = None) -> Any:
        frozen = super().build()
        frozen.load_state_dict(weights.state_dict())
        return super().algorithm(frozen.to(next(weights.parameters())).requires_grad_(False), name)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        (Forgetful(depth=7), "from_dict gives .* of the settings of"),
        (Nameless(), "its algorithm must be called like it by default, got 'always the same'"),
        (Random(), "equal seeds draw different weights"),
        (Infinite(), "initialization 'pg_extra' gives weights that are not finite"),
        (Unlearned(), "its iterates do not depend on the weights"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_learned_optimizers_that_break_the_contract_are_caught(architecture: Any, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_learned_optimizer(architecture)


def test_the_cost_of_learned_optimizers_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    algorithm = type(LPGExtraArchitecture().algorithm(LPGExtraArchitecture().build()))
    assert issubclass(algorithm, LearnedOptimizer)
    monkeypatch.setattr(algorithm, "cost", Cost(rounds=2, vectors=1, gradients=1, proxes=1))
    with pytest.raises(AssertionError, match="are declared to cost"):
        check_learned_optimizer(LPGExtraArchitecture())
