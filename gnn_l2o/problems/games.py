r"""Payoffs of two players, on which methods for min-max problems are compared: u minimizes, v maximizes.

All are those of Shen et al. (2021, AAAI, "Learning a minimax optimizer"), with parameters of its own at every node. At
(0, 0) all of them have a saddle point, so that all nodes have one in common.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gnn_l2o.problems.min_max import MinMax

Players = Mapping[str, Tensor]
"""``{"u": ..., "v": ...}``, the variables of both players."""


def saddle(x: Players, a: Tensor, b: Tensor) -> Tensor:
    """Return a u^2 - b v^2, summed over coordinates."""
    return (a * x["u"].square() - b * x["v"].square()).sum()


def rotated_saddle(x: Players, a: Tensor, b: Tensor) -> Tensor:
    """Return a u^2 - b v^2 + 2 u v, summed over coordinates."""
    return saddle(x, a, b) + 2 * (x["u"] * x["v"]).sum()


def matrix_game(x: Players, matrix: Tensor) -> Tensor:
    """Return u'A v."""
    return x["u"] @ matrix @ x["v"]


def seesaw(x: Players, a: Tensor, b: Tensor) -> Tensor:
    """Return -b v sin(a pi u), summed over coordinates."""
    return (-b * x["v"] * torch.sin(math.pi * a * x["u"])).sum()


@dataclass(frozen=True, eq=False, kw_only=True)
class Seesaw(MinMax):
    """The payoffs :func:`seesaw`, all nodes with the same a > 0 but b of their own.

    The mean field vanishes where v = 0 and u is a multiple of 1/a; distances are those from these points.
    """

    def saddle_distance(self, x: Tensor) -> Tensor:
        u, v = x.chunk(2, dim=1)
        a = self.average(torch.stack([a.reshape(1).expand(u.size(1)) for a, _ in self.data]))
        return torch.cat([u - (a * u).round() / a, v], dim=1).norm(dim=1)
