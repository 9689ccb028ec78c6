"""Decentralized Muon."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gnn_l2o._utils.blocks import Blocks, eigen
from gnn_l2o.algorithms.base import Cost
from gnn_l2o.algorithms.tunable import Choice, Range
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted.stochastic_method import StochasticMethod
from gnn_l2o.problems import Problem


@dataclass(frozen=True, eq=False)
class DeMuonState:
    """State of :class:`DeMuon`."""

    x: Tensor  # (N, d), the iterate
    v: Tensor  # (N, d), the tracker of the mean of m
    m: Tensor  # (N, d), the average of the gradients
    iteration: int  # k


class DeMuon(StochasticMethod[DeMuonState]):
    r"""DeMuon (He, Ren, Mao, Larsson 2025, arXiv:2510.01377): momentum, tracked, whose matrices are orthogonalized.

    .. math::
        v^{k+1} &= W (v^k + m^{k+1} - m^k), && v^0 = m^0 = 0 \\
        x^{k+1} &= W \bigl(x^k - \alpha_k \sqrt{c} \, \mathrm{msgn}(v^{k+1})\bigr)

    msgn is taken of every array that x is made of as a matrix of c columns and no more rows, and is
    :math:`(V V^\top)^{-1/2} V`, here by an eigendecomposition; an array of one dimension is divided by its norm. With
    the factor :math:`\sqrt c`, which is ours, alpha is the root mean square of a step in every array. m and alpha_k are
    those of :class:`.StochasticMethod`. Steps do not shrink with the gradient. Costs one gradient and two mixings an
    iteration.

    Attributes:
        step_size: alpha.
        momentum: beta.
        decay: rho.
    """

    name = "demuon"
    label = "DeMuon"
    grid: ClassVar[Mapping[str, Range | Choice]] = {**StochasticMethod.grid, "step_size": Range(3e-4, 3e-2)}
    composite = False
    exact = False
    cost = Cost(rounds=2, vectors=2, gradients=1)

    def init(self, problem: Problem, network: Network, x0: Tensor) -> DeMuonState:
        zero = torch.zeros_like(x0)
        return DeMuonState(x=x0, v=zero, m=zero, iteration=0)

    def step(self, problem: Problem, network: Network, state: DeMuonState) -> DeMuonState:
        m = self.average(state.m, problem.gradient(state.x))
        v = network.mix(state.v + m - state.m)
        move = self.step_size_at(state.iteration) * matrix_sign(v, Blocks(problem.shapes))
        return DeMuonState(x=network.mix(state.x - move), v=v, m=m, iteration=state.iteration + 1)


def matrix_sign(value: Tensor, blocks: Blocks) -> Tensor:
    r"""Return :math:`\sqrt c \, \mathrm{msgn}(V)` of all blocks, ``(N, d)``; its zero singular values stay zero."""
    images = []
    for matrix in blocks.matrices(value):
        values, vectors = eigen(matrix @ matrix.mT)
        rounding = torch.finfo(values.dtype).eps * (values.size(-1) * values[..., -1:]).clamp(min=1e-30)
        inverse = torch.where(values > rounding, values, torch.inf).rsqrt()
        images.append(math.sqrt(matrix.size(3)) * ((vectors * inverse.unsqueeze(-2)) @ (vectors.mT @ matrix)))
    return blocks.join(images)
