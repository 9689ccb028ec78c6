"""Fingerprints: equal for equal things, and up to rounding where that is asked for."""

import math
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from gnn_l2o._utils.fingerprint import fingerprint
from tests.evaluation.learned_step import Learned


def test_a_fingerprint_sees_weights_and_hyperparameters_but_not_precision() -> None:
    @dataclass(frozen=True, eq=False)
    class Net(Learned):
        net: Any = None

    def net(seed: int) -> torch.nn.Module:
        torch.manual_seed(seed)
        return torch.nn.Linear(2, 2, dtype=torch.float32)

    one = fingerprint(Net(torch.tensor(1.0), net=net(0)))
    assert one == fingerprint(Net(torch.tensor(1.0), net=net(0).double()))
    assert one != fingerprint(Net(torch.tensor(1.0), net=net(1)))
    assert one != fingerprint(Net(torch.tensor(1.0 + 1e-9), net=net(0)))
    assert one != fingerprint(Net(torch.tensor(1.0), net=net(0), rounds=2))


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_rounding_errors_do_not_change_a_rounded_fingerprint(scale: float) -> None:
    values = scale * torch.randn(40, 3)
    values[0, 0] = 0.0
    again = values * (1 + 1e-14 * torch.randn_like(values))
    again[0, 0] = -1e-15 * scale
    assert fingerprint({"x": [values]}, rounded=True) == fingerprint({"x": [again]}, rounded=True)
    assert fingerprint(values) != fingerprint(again)
    changed = values.clone()
    changed[3, 1] += 1e-5 * values.abs().max()
    others = [changed, 2 * values, -values, values.t(), values.flatten()]
    assert len({fingerprint(x, rounded=True) for x in (values, *others)}) == 6


def test_numbers_are_rounded_where_they_are_not_whole() -> None:
    assert fingerprint(0.1 + 0.2, rounded=True) == fingerprint(0.3, rounded=True)
    assert fingerprint(0.1 + 0.2) != fingerprint(0.3)
    assert fingerprint(0.3, rounded=True) != fingerprint(0.30001, rounded=True)
    whole = 10**9
    assert fingerprint(whole, rounded=True) != fingerprint(whole + 1, rounded=True)
    counts = torch.tensor([whole])
    assert fingerprint(counts, rounded=True) != fingerprint(counts + 1, rounded=True)
    bounds = [torch.tensor([a, 1.0]) for a in (math.inf, -math.inf, 1.0)]
    assert len({fingerprint(x, rounded=True) for x in (*bounds, torch.empty(0))}) == 4
