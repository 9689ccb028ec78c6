"""Gradients that torch can record, and those it cannot."""

import sys
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.problems.small_networks import classifier


@pytest.mark.parametrize("missing", ["torch._decomp", "torch.fx.experimental.proxy_tensor"])
def test_gradients_are_the_same_where_torch_cannot_record_them(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    problem, unrecorded = classifier(), classifier()
    x = problem.initial_point() + torch.randn(3, problem.dim)
    with torch.no_grad():
        expected = problem.gradient(x)
        monkeypatch.setitem(sys.modules, missing, None)
        torch.testing.assert_close(unrecorded.gradient(x), expected, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(unrecorded.gradient(x), expected, rtol=1e-12, atol=1e-12)
    [fallback] = unrecorded.function._recorded.values()
    [recorded] = problem.function._recorded.values()
    assert isinstance(recorded, torch.fx.GraphModule) and not isinstance(fallback, torch.fx.GraphModule)


def test_a_gradient_that_cannot_be_recorded_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = classifier()
    x = problem.initial_point() + torch.randn(3, problem.dim)

    def fail(function: Any, *args: Tensor) -> Any:
        raise AssertionError("no recording today")

    monkeypatch.setattr("gnn_l2o.problems.recorded_gradient._recorded", fail)
    expected = problem.gradient(x)
    with torch.no_grad():
        torch.testing.assert_close(problem.gradient(x), expected, rtol=1e-12, atol=1e-12)
