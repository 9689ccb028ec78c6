"""Methods with parameters: the grid that each declares, so that all of them are tuned alike."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import Algorithm, State
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Problem
from gnn_l2o.problems.regularizers import Zero

Setting = dict[str, float]


@dataclass(frozen=True)
class Range:
    """A parameter tuned over evenly spaced values, which may differ from node to node inside one batch.

    Attributes:
        low: the smallest value.
        high: the largest value.
        spacing: ``"log"``, ``"linear"``, or ``"log_from_one"``: log-spaced in the distance from 1, for a momentum.
        points: how many values; with ``None`` as many as the budget leaves.
        unit: the unit of the values; L is the largest L_i of the problem, the curvature the largest mean curvature
            of a node (:meth:`.Problem.mean_curvature`).
        below: an upper bound that the parameter stays below.
        open: the ends are guesses, so where the best value lies at one of them, values beyond it are tried as well.
    """

    low: float
    high: float
    spacing: Literal["log", "linear", "log_from_one"] = "log"
    points: int | None = None
    unit: Literal["1", "1/L", "L", "curvature"] = "1"
    below: float = math.inf
    open: bool = True

    def values(self, points: int) -> list[float]:
        """Return ``points`` values from the lowest to the highest; of one point, their middle."""
        return self.between(self.low, self.high, points) if points > 1 else self.between(self.low, self.high, 3)[1:2]

    def between(self, low: float, high: float, points: int) -> list[float]:
        """Return ``points`` values from ``low`` to ``high``, in the axis's spacing."""
        if self.spacing == "linear":
            return [float(v) for v in np.linspace(low, high, points)]
        if self.spacing == "log":
            return [float(v) for v in np.geomspace(low, high, points)]
        return [1 - float(v) for v in np.geomspace(1 - low, 1 - high, points)]

    def beyond(self, values: list[float], *, upwards: bool) -> list[float]:
        """Return a quarter as many values again, past one end of the ascending ``values``, in the same spacing."""
        steps = range(1, max(1, len(values) // 4) + 1)
        end, inner = (values[-1], values[-2]) if upwards else (values[0], values[1])
        if self.spacing == "linear":
            past = [end + (end - inner) * k for k in steps]
        elif self.spacing == "log":
            past = [end * (end / inner) ** k for k in steps]
        else:
            past = [1 - (1 - end) * ((1 - end) / (1 - inner)) ** k for k in steps]
        return [v for v in past if 0 < v < self.below]


@dataclass(frozen=True)
class Choice:
    """A parameter tuned over listed values that shape the iteration itself, so each value is a batch of its own."""

    values: tuple[float, ...]


STEP_SIZE = Range(0.02, 20.0, unit="1/L")
"""The step sizes that every method of one parameter is tuned over.

They reach from far below to far above the bounds of all convergence conditions.
"""


class Tunable(Algorithm[State]):
    """A method with parameters that are tuned over a declared grid.

    The tensors of its state have one row for each node, so that problems can be taken out of a batch while it runs.

    Attributes:
        label: what tables and figures call the method.
        grid: the values of each parameter that are tried. In the method itself a parameter of a :class:`Range` is a
            number, or ``(N, 1)`` with the value of every node (equal within a problem), which runs many settings side
            by side as one batch.
        composite: whether the method applies to problems with a regularizer.
        exact: whether the method with constant parameters converges to the solution at every node. Other methods
            converge to a neighbourhood of the solution, whose size depends on the parameters.
        stochastic: whether the method is for stochastic gradients only; it is left out where gradients are exact.
        tuned: whether evaluations tune the method; otherwise it runs with the only setting of its grid.
    """

    label: ClassVar[str]
    grid: ClassVar[Mapping[str, Range | Choice]]
    composite: ClassVar[bool] = True
    exact: ClassVar[bool] = True
    stochastic: ClassVar[bool] = False
    tuned: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name, axis in self.grid.items():
            below = _bound(axis)
            value = torch.as_tensor(getattr(self, name))
            if not bool(((value > 0) & (value < below) & value.isfinite()).all()):
                upper = f" and < {below:g}" if below < math.inf else ""
                raise InputError(f"{self.name} needs a finite {name} > 0{upper}, got {getattr(self, name)}")

    def refusal(self, problem: Problem, network: Network) -> str | None:
        if not self.composite and not isinstance(problem.regularizer, Zero):
            return f"{self.label} is for smooth problems; this one has the regularizer {problem.regularizer}"
        return super().refusal(problem, network)

    @property
    def flooded(self) -> frozenset[str]:
        units = {axis.unit for axis in self.grid.values() if isinstance(axis, Range)}
        largest = {"max_smoothness": {"1/L", "L"}, "max_mean_curvature": {"curvature"}}
        return self.setup_knowledge | {fact for fact, shown in largest.items() if units & shown}

    @classmethod
    def settings(cls, budget: int) -> list[Setting]:
        """Return at most ``budget`` settings, the product of the values of all parameters, ascending in each.

        Parameters without a declared number of values share the rest of the budget evenly. Where the budget does not
        suffice for the declared numbers, the ranges with the most values have fewer.
        """
        points = {name: _fixed_points(axis) for name, axis in cls.grid.items()}
        flexible = [name for name, count in points.items() if not count]
        left = budget // math.prod(filter(None, points.values()))
        points |= {name: max(1, int(left ** (1 / len(flexible)) + 1e-9)) for name in flexible}
        ranges = [name for name, axis in cls.grid.items() if isinstance(axis, Range)]
        while math.prod(points.values()) > budget and any(points[name] > 1 for name in ranges):
            points[max(ranges, key=lambda name: points[name])] -= 1
        values = [
            axis.values(points[name]) if isinstance(axis, Range) else list(axis.values)
            for name, axis in cls.grid.items()
        ]
        return [dict(zip(cls.grid, combination, strict=True)) for combination in itertools.product(*values)]

    @classmethod
    def enlarge(cls, setting: Setting, factor: float) -> Setting:
        """Return a setting with larger steps: ranges in units of 1/L, and those whose name says that they are steps.

        Values that would reach the upper bound of their range stay as they are.
        """
        larger = {name: value * factor for name, value in setting.items() if _is_step(name, cls.grid[name])}
        return setting | {name: value for name, value in larger.items() if value < _bound(cls.grid[name])}

    @classmethod
    def from_setting(cls, problem: Problem, setting: Mapping[str, float | Tensor]) -> Self:
        """Return the method with these parameters, those in units of the problem scaled to it.

        Args:
            problem: one problem, or several side by side; units are taken for each of them.
            setting: for each parameter of the grid a number, or ``(N, 1)``.

        Raises:
            InputError: it is not one of all these parameters and no others, or a value is out of its range.
        """
        if setting.keys() != cls.grid.keys():
            raise InputError(f"a setting of {cls.name} has {', '.join(cls.grid)}, got {', '.join(setting)}")
        scaled = {}
        for name, value in setting.items():
            axis = cls.grid[name]
            unit = axis.unit if isinstance(axis, Range) else "1"
            scaled[name] = value * _in_units(problem, unit)
        return cls(**scaled)


Method = type[Tunable[Any]]
"""A method before its parameters are chosen."""


def _fixed_points(axis: Range | Choice) -> int:
    """Return the declared number of values; 0 where the budget decides."""
    return len(axis.values) if isinstance(axis, Choice) else axis.points or 0


def _in_units(problem: Problem, unit: str) -> float | Tensor:
    """Return a unit of parameters: a number for one problem, ``(N, 1)`` for several side by side."""
    if unit == "1":
        return 1.0
    if unit == "curvature":
        return _largest(problem, problem.mean_curvature())
    smoothness = largest_smoothness(problem)
    return smoothness if unit == "L" else 1 / smoothness


def _bound(axis: Range | Choice) -> float:
    """Return what all values stay below."""
    return axis.below if isinstance(axis, Range) else math.inf


def _is_step(name: str, axis: Range | Choice) -> bool:
    return isinstance(axis, Range) and (axis.unit == "1/L" or "step" in name)


def largest_smoothness(problem: Problem) -> float | Tensor:
    """Return L = max_i L_i: a number for one problem, ``(N, 1)`` for several side by side."""
    return _largest(problem, problem.smoothness())


def _largest(problem: Problem, local: Tensor) -> float | Tensor:
    """Return the largest of the nodes' numbers, ``(N, 1)``: a number for one problem, ``(N, 1)`` for several.

    Where all are zero, as where all features are, it is 1: parameters have units on every problem.
    """
    largest = problem.maximum(local)
    if problem.num_problems == 1:
        return float(largest) or 1.0
    return problem.spread(torch.where(largest > 0, largest, 1.0))
