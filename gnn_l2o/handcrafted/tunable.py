"""What every handcrafted method declares, so that all of them are tuned alike."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor

from gnn_l2o.algorithm import Algorithm, State
from gnn_l2o.errors import InputError
from gnn_l2o.problems import Problem

Setting = dict[str, float]


@dataclass(frozen=True)
class Range:
    """A parameter tuned over evenly spaced values, which may differ from node to node inside one batch.

    Attributes:
        low: the smallest value.
        high: the largest value.
        spacing: ``"log"`` or ``"linear"``.
        points: how many values; ``None``: as many as the budget leaves.
        per_smoothness: the values are in units of 1/L, L the largest L_i of the problem.
        open: the ends are guesses, so where the best value lies at one of them, values beyond it are tried as well.
    """

    low: float
    high: float
    spacing: Literal["log", "linear"] = "log"
    points: int | None = None
    per_smoothness: bool = False
    open: bool = True

    def values(self, points: int) -> list[float]:
        """Return ``points`` values from the lowest to the highest."""
        spaced = np.geomspace if self.spacing == "log" else np.linspace
        return [float(v) for v in spaced(self.low, self.high, points)]

    def beyond(self, values: list[float], *, upwards: bool) -> list[float]:
        """Return a quarter as many values again, past one end of the ascending ``values``, in the same spacing."""
        steps = range(1, max(1, len(values) // 4) + 1)
        end, inner = (values[-1], values[-2]) if upwards else (values[0], values[1])
        if self.spacing == "log":
            return [end * (end / inner) ** k for k in steps]
        return [end + (end - inner) * k for k in steps]


@dataclass(frozen=True)
class Choice:
    """A parameter tuned over listed values that shape the iteration itself, so each value is a batch of its own."""

    values: tuple[float, ...]


STEP_SIZE = Range(0.02, 20.0, per_smoothness=True)
"""The steps that every method is tuned over: far below what any condition asks for to far above it."""


class Handcrafted(Algorithm[State]):
    """A method with parameters that are tuned over a declared grid.

    The tensors of its state have one row for each node, so that problems can be taken out of a batch while it runs.

    Attributes:
        label: what tables and figures call the method.
        grid: the values of each parameter that are tried.
        step_size: alpha > 0 of the gradient and of the prox alike: a number, or ``(N, 1)`` with the step of every node
            (equal within a problem), which runs many settings side by side as one batch.
    """

    label: ClassVar[str]
    grid: ClassVar[Mapping[str, Range | Choice]]
    step_size: float | Tensor

    def __post_init__(self) -> None:
        step = torch.as_tensor(self.step_size)
        if not bool(((step > 0) & step.isfinite()).all()):
            raise InputError(f"{self.name} needs a finite step_size > 0, got {self.step_size}")

    @classmethod
    def settings(cls, budget: int) -> list[Setting]:
        """Return at most ``budget`` settings, the product of the values of all parameters, ascending in each.

        Parameters that do not say how many values they want share what is left of the budget evenly.
        """
        fixed = [_fixed_points(axis) for axis in cls.grid.values()]
        flexible = fixed.count(0)
        left = budget // math.prod(filter(None, fixed))
        share = max(1, int(left ** (1 / flexible) + 1e-9)) if flexible else 0
        values = [
            list(axis.values) if isinstance(axis, Choice) else axis.values(points or share)
            for axis, points in zip(cls.grid.values(), fixed, strict=True)
        ]
        return [dict(zip(cls.grid, combination, strict=True)) for combination in itertools.product(*values)]

    @classmethod
    def from_setting(cls, problem: Problem, setting: Mapping[str, float | Tensor]) -> Self:
        """Return the method with these parameters, those in units of 1/L scaled to the problem.

        Args:
            problem: one problem, or several side by side; L is taken for each of them.
            setting: for each parameter of the grid a number, or ``(N, 1)``.
        """
        smoothness: float | Tensor = _largest_smoothness(problem)
        scaled = {
            name: value / smoothness if _is_per_smoothness(cls.grid[name]) else value for name, value in setting.items()
        }
        return cls(**scaled)


def _fixed_points(axis: Range | Choice) -> int:
    """Return how many values the axis asks for; 0 where it takes what the budget leaves."""
    return len(axis.values) if isinstance(axis, Choice) else axis.points or 0


def _is_per_smoothness(axis: Range | Choice) -> bool:
    return isinstance(axis, Range) and axis.per_smoothness


def _largest_smoothness(problem: Problem) -> float | Tensor:
    """Return L = max_i L_i: a number for one problem, ``(N, 1)`` for several side by side."""
    local = problem.smoothness()
    if problem.num_problems == 1:
        return float(local.max())
    largest = local.new_zeros(problem.num_problems).scatter_reduce_(0, problem.batch, local.squeeze(1), "amax")
    return problem.spread(largest.unsqueeze(1))
