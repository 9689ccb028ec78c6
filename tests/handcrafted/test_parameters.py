"""What the parameters of every method in :data:`HANDCRAFTED` mean, and the grids on which they are tuned."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.tunable import Choice, Range, Tunable
from gnn_l2o.handcrafted import HANDCRAFTED, ProxED
from gnn_l2o.problems import LeastSquares
from gnn_l2o.problems.regularizers import L1, Zero
from tests.handcrafted.dense import METHODS, least_squares, smoothness


def problem_for(method: type[Tunable[Any]], nodes: int = 6) -> LeastSquares:
    return least_squares(nodes, L1(0.2) if method.composite else Zero())


@METHODS
def test_parameters_are_in_units_of_the_problem(method: type[Tunable[Any]]) -> None:
    problem, setting = problem_for(method), method.settings(1)[0]
    algorithm = method.from_setting(problem, setting)
    for name, axis in method.grid.items():
        unit = axis.unit if isinstance(axis, Range) else "1"
        curvature = float(problem.features.square().mean(dim=(1, 2)).max())
        scale = {"1": 1.0, "L": smoothness(problem), "1/L": 1 / smoothness(problem), "curvature": curvature}[unit]
        assert getattr(algorithm, name) == pytest.approx(setting[name] * scale)


@METHODS
@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf"), torch.tensor([[1.0], [-1.0]])])
def test_parameters_are_positive(method: type[Tunable[Any]], bad: float | Tensor) -> None:
    good = method.settings(1)[0]
    for name in method.grid:
        with pytest.raises(InputError, match=f"needs a finite {name} > 0"):
            method(**{**good, name: bad})


def test_names_are_keys() -> None:
    assert all(HANDCRAFTED[name].name == name for name in HANDCRAFTED)
    assert len({method.label for method in HANDCRAFTED.values()}) == len(HANDCRAFTED)


@METHODS
@pytest.mark.parametrize("budget", [16, 24])
def test_the_grid_spends_the_budget(method: type[Tunable[Any]], budget: int) -> None:
    settings = method.settings(budget)
    assert 0.5 * budget < len(settings) <= budget
    assert len({tuple(s.values()) for s in settings}) == len(settings)
    for name, axis in method.grid.items():
        tried = sorted({s[name] for s in settings})
        low, high = (axis.low, axis.high) if isinstance(axis, Range) else (min(axis.values), max(axis.values))
        assert (tried[0], tried[-1]) == pytest.approx((low, high))


class Accelerated(ProxED):
    """Stands for the methods with more parameters that are tuned in the same way."""

    grid = {  # noqa: RUF012
        "step_size": Range(0.1, 10, unit="1/L"),
        "momentum": Range(0.5, 0.9, spacing="linear", points=3, open=False),
        "mixings": Choice((1, 3)),
    }


def test_parameters_share_the_budget() -> None:
    settings = Accelerated.settings(24)
    assert len(settings) == 24
    assert sorted({s["momentum"] for s in settings}) == pytest.approx([0.5, 0.7, 0.9])
    assert sorted({s["mixings"] for s in settings}) == [1, 3]
    assert sorted({s["step_size"] for s in settings}) == pytest.approx(np.geomspace(0.1, 10, 4))
    assert len(Accelerated.settings(17)) == 12


def test_a_range_goes_on_beyond_its_ends() -> None:
    assert Range(1, 8).beyond([1, 2, 4, 8, 16, 32, 64, 128], upwards=True) == pytest.approx([256, 512])
    assert Range(1, 8).beyond([1, 2, 4, 8], upwards=False) == pytest.approx([0.5])
    assert Range(1, 4, spacing="linear").beyond([1, 2, 3, 4], upwards=True) == pytest.approx([5])


def test_smoothness_is_each_problems_own() -> None:
    problems = [least_squares(3, Zero(), seed=1), least_squares(2, Zero(), seed=2)]
    batch = LeastSquares.concatenate(problems)
    method = ProxED.from_setting(batch, {"step_size": 0.5})
    expected = [0.5 / smoothness(problems[0])] * 3 + [0.5 / smoothness(problems[1])] * 2
    torch.testing.assert_close(method.step_size, torch.tensor(expected).unsqueeze(1))
