"""The contract of regularizers: all that are built in keep it, and mutants are caught."""

import math
from typing import Any

import pytest
import torch

from gnn_l2o.problems.regularizers import L1, Box, ElasticNet, GroupL1, Regularizer, Zero
from gnn_l2o.testing import check_regularizer

ROWS = torch.tensor([[0.0], [0.3], [0.7], [2.0]], dtype=torch.float64)
REGULARIZERS = [Zero(), L1(0.7), L1(ROWS), ElasticNet(0.5, 0.8), Box(-0.4, 0.6), Box(0.0, math.inf)]


@pytest.mark.parametrize(
    "regularizer", [*REGULARIZERS, GroupL1(0.9, size=3), GroupL1(ROWS, size=2)], ids=lambda r: type(r).__name__
)
def test_regularizers(regularizer: Regularizer) -> None:
    check_regularizer(regularizer)


class TooFar(L1):
    def prox(self, v: Any, step: Any) -> Any:
        return super().prox(v, 1.01 * step)


class OneMetric(L1):
    def prox(self, v: Any, step: Any) -> Any:
        return super().prox(v, step.mean() if isinstance(step, torch.Tensor) else step)


class Outside(Box):
    def prox(self, v: Any, step: Any) -> Any:
        return super().prox(v, step) + 1e-3


class Concave(Zero):
    def value(self, x: Any) -> Any:
        return -x.abs().sum(dim=1)


class NoKink(L1):
    def min_norm_subgradient(self, x: Any, gradient: Any) -> Any:
        return gradient + self.weight * x.sign()


class TooLong(L1):
    def min_norm_subgradient(self, x: Any, gradient: Any) -> Any:
        return torch.where(
            x == 0, super().min_norm_subgradient(x, gradient), 1.1 * super().min_norm_subgradient(x, gradient)
        )


class AllFree(L1):
    def free(self, x: Any) -> Any:
        return torch.ones_like(x, dtype=torch.bool)


class OneRow(L1):
    def at(self, rows: Any) -> Any:
        return self


class Rounded(L1):
    def prox(self, v: Any, step: Any) -> Any:
        return super().prox(v.double(), step)


class Detached(L1):
    def prox(self, v: Any, step: Any) -> Any:
        return v + (super().prox(v, step) - v).detach()


class InPlace(L1):
    def prox(self, v: Any, step: Any) -> Any:
        result = super().prox(v, step)
        v.detach().mul_(1.5)
        return result


class Summed(L1):
    def value(self, x: Any) -> Any:
        return super().value(x).sum()


@pytest.mark.parametrize(
    ("regularizer", "message"),
    [
        (TooFar(0.7), "prox does not minimize"),
        (OneMetric(0.7), "prox does not minimize|p a row or a matrix"),
        (Outside(-0.4, 0.6), "prox ends outside the domain"),
        (Concave(), "prox does not minimize|value is not convex"),
        (NoKink(0.7), "min_norm_subgradient must vanish at prox"),
        (TooLong(0.7), "must fall with slope"),
        (AllFree(0.7), "free marks a coordinate in which r has a kink"),
        (OneRow(ROWS), r"prox of at\(rows\) by rows"),
        (Rounded(0.7), "prox of single precision is torch.float64"),
        (Detached(0.7), "the derivative of prox is not that of its values"),
        (InPlace(0.7), "prox changes its argument"),
        (Summed(0.7), r"value has shape \(\), expected \(4,\)"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_regularizers_that_break_the_contract_are_caught(regularizer: Regularizer, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_regularizer(regularizer)
