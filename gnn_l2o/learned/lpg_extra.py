"""PG-EXTRA unrolled, with a step and a threshold learned for each layer."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import Cost
from gnn_l2o.algorithms.tunable import largest_smoothness
from gnn_l2o.graph.network import Network
from gnn_l2o.learned.architecture import Architecture, LearnedOptimizer
from gnn_l2o.problems import Problem


class LayerScalars(nn.Module):
    """The logarithms of the two numbers of every layer, so that they stay positive.

    Args:
        depth: how many layers.
    """

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.log_step = nn.Parameter(torch.empty(depth))
        self.log_threshold = nn.Parameter(torch.empty(depth))
        self.emit(0.5)

    def emit(self, step: float) -> None:
        """Set all layers to PG-EXTRA with this step, in units of 1/L."""
        for parameter in self.parameters():
            nn.init.constant_(parameter, math.log(step))


@dataclass(frozen=True, eq=False)
class LPGExtraState:
    """State of :class:`LPGExtra`."""

    x: Tensor  # (N, d), the iterate, after the prox
    z: Tensor  # (N, d), the same before the prox
    mixed: Tensor  # (N, d), W~ x at the iterate before
    gradient: Tensor  # (N, d), grad f(x) there; 0 before the first step
    iteration: int


@dataclass(frozen=True)
class LPGExtra(LearnedOptimizer[LPGExtraState, LayerScalars]):
    r"""LPG-EXTRA, unrolled PG-EXTRA with learned scalars (Wang, Shen et al. 2021, arXiv:2104.01555).

    .. math::
        z^0     &= W x^0 - \alpha_0 \nabla f(x^0) \\
        z^k     &= z^{k-1} + W x^k - \tilde W x^{k-1} - \alpha_k (\nabla f(x^k) - \nabla f(x^{k-1})) \\
        x^{k+1} &= \operatorname{prox}_{(\tau_k / \lambda) r}(z^k)

    with :math:`\tilde W = (I + W)/2`, one :math:`\alpha_k` and one :math:`\tau_k` a layer, shared by all nodes. With
    :math:`r = \lambda \|x\|_1` the prox is soft thresholding at :math:`\tau_k`, as in the paper. There both numbers are
    absolute; here :math:`\alpha_k = a_k / L` and :math:`\tau_k = t_k \lambda / L` with L the largest L_i, the units in
    which the handcrafted methods are tuned, so that the learned a_k and t_k mean the same on every problem and with
    every regularizer. With :math:`a_k = t_k = a L` it is PG-EXTRA with step a.

    It has as many iterations as layers. One costs one gradient, one prox and one round of one vector.
    """

    cost = Cost(rounds=1, vectors=1, gradients=1, proxes=1)

    @property
    def depth(self) -> int:
        return self.weights.log_step.numel()

    def init(self, problem: Problem, network: Network, x0: Tensor) -> LPGExtraState:
        return LPGExtraState(x=x0, z=x0, mixed=x0, gradient=torch.zeros_like(x0), iteration=0)

    def step(self, problem: Problem, network: Network, state: LPGExtraState) -> LPGExtraState:
        if state.iteration >= self.depth:
            raise InputError(f"{self.name} has {self.depth} layers; expected at most as many iterations")
        x, gradient, mixed = state.x, problem.gradient(state.x), network.mix(state.x)
        unit = 1 / torch.as_tensor(largest_smoothness(problem), dtype=x.dtype, device=x.device)
        step = self.weights.log_step[state.iteration].exp() * unit
        threshold = self.weights.log_threshold[state.iteration].exp() * unit
        z = state.z + (mixed - state.mixed) - step * (gradient - state.gradient)
        return LPGExtraState(problem.prox(z, threshold), z, 0.5 * (x + mixed), gradient, state.iteration + 1)


@dataclass(frozen=True)
class LPGExtraArchitecture(Architecture[LayerScalars]):
    """Unrolled PG-EXTRA.

    Training begins at ``"pg_extra"``, by default with the step size 0.5 / L.

    Attributes:
        depth: how many layers.
    """

    name = "lpg_extra"
    description = "LPG-EXTRA, PG-EXTRA unrolled, with a step size and a threshold for each layer"
    scope = "It runs on graphs of any size and topology and on problems of any dimension, for as many steps as layers."
    inits = ("pg_extra",)

    depth: int = 100

    @property
    def default_step_size(self) -> float:
        return 0.5

    def build(self) -> LayerScalars:
        return LayerScalars(self.depth)

    def initialize(self, weights: LayerScalars, init: str, step_size: float | None) -> None:
        weights.emit(self.default_step_size if step_size is None else step_size)

    def algorithm(self, weights: LayerScalars, name: str | None = None) -> LPGExtra:
        return LPGExtra(weights, name or self.name)
