"""MiLoDo's rule with a few constants that are tuned like a handcrafted method: the first baseline of a learned one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.algorithms.registry import METHODS
from gnn_l2o.algorithms.tunable import Choice, Range, Tunable
from gnn_l2o.graph.exchange import NetworkExchange
from gnn_l2o.graph.network import Network
from gnn_l2o.learned.constant_coefficients import ConstantCoefficients
from gnn_l2o.learned.network_facts import SETUP_KNOWLEDGE, network_facts
from gnn_l2o.nn.rule import milodo_step
from gnn_l2o.nn.stability import stability_bounds
from gnn_l2o.nn.state import MiLoDoState
from gnn_l2o.nn.step_size import MAX_MOMENTUM
from gnn_l2o.problems import Problem


@dataclass(frozen=True, eq=False)
class TunedConstantsState:
    """State of :class:`TunedConstants`; the names are those of :class:`~gnn_l2o.nn.state.MiLoDoState`."""

    x: Tensor  # (N, d)
    extrapolated: Tensor  # (N, d)
    y: Tensor  # (N, d)


@dataclass(frozen=True, eq=False)
class TunedConstants(Tunable[TunedConstantsState]):
    r"""MiLoDo's rule (He et al. 2024, Eqs. (22)-(24)) with three constants instead of networks.

    :math:`p_i = s c_i`, :math:`p_{ij1} = t P_{ij}`, :math:`p_{ij2} = u q w_{ij}` in the units of
    :class:`.ConstantCoefficients`. Costs one gradient, one prox and one round an iteration,
    in which a number, the step size, travels with z.

    Attributes:
        step_factor: s.
        dual_factor: t.
        mixing_factor: u.
    """

    momentum_bound: ClassVar[float] = 0.0

    name = "tuned_constants"
    label = "tuned constants"
    grid: ClassVar[Mapping[str, Range | Choice]] = {
        "step_factor": Range(0.1, 1.0, points=4),
        "dual_factor": Range(0.05, 0.4, points=2),
        "mixing_factor": Range(0.5, 1.0, spacing="linear", points=2),
    }
    setup_knowledge = SETUP_KNOWLEDGE
    dual = "y"
    cost = Cost(rounds=1, vectors=1, numbers=1, gradients=1, proxes=1)

    step_factor: float | Tensor
    dual_factor: float | Tensor
    mixing_factor: float | Tensor

    @property
    def _coefficients(self) -> ConstantCoefficients:
        return ConstantCoefficients(self.step_factor, self.dual_factor, self.mixing_factor)

    def init(self, problem: Problem, network: Network, x0: Tensor) -> TunedConstantsState:
        return TunedConstantsState(x0, x0, torch.zeros_like(x0))

    def step(self, problem: Problem, network: Network, state: TunedConstantsState) -> TunedConstantsState:
        gradient = problem.gradient(state.extrapolated)
        facts, exchange = network_facts(problem, network, state.x), NetworkExchange(network)
        bounds = stability_bounds(facts, exchange, momentum=self.momentum_bound)
        first = MiLoDoState.first(state.x, gradient, None, facts, bounds)
        before = replace(first, extrapolated=state.extrapolated, y=state.y)
        after = milodo_step(before, gradient, problem.prox, self._coefficients, exchange)
        return TunedConstantsState(after.x, after.extrapolated, after.y)


@dataclass(frozen=True, eq=False)
class TunedMomentum(TunedConstants):
    r"""The same with momentum: :math:`\hat x = x + a (x - x_{\text{previous}})` in front of (22), a fourth constant.

    Attributes:
        step_factor: s.
        dual_factor: t.
        mixing_factor: u.
        momentum: a.
    """

    momentum_bound: ClassVar[float] = MAX_MOMENTUM

    name = "tuned_momentum"
    label = "tuned constants, momentum"
    grid: ClassVar[Mapping[str, Range | Choice]] = {
        "step_factor": Range(0.4, 0.8, points=2),
        "dual_factor": Range(0.05, 0.4, points=2),
        "mixing_factor": Range(0.9, 1.0, spacing="linear", points=1),
        "momentum": Range(0.8, 0.97, spacing="log_from_one", points=4, below=1.0),
    }

    momentum: float | Tensor

    @property
    def _coefficients(self) -> ConstantCoefficients:
        return ConstantCoefficients(
            self.step_factor, self.dual_factor, self.mixing_factor, self.momentum, self.momentum_bound
        )


TUNED: dict[str, type[Tunable[Any]]] = {
    method.name: METHODS.register(method) for method in (TunedConstants, TunedMomentum)
}
