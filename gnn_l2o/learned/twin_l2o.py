"""Twin-L2O, two LSTMs for the two players of a min-max problem."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, get_args

import torch
from torch import Tensor, nn

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.graph.network import Network
from gnn_l2o.learned.architecture import Architecture, LearnedOptimizer, require
from gnn_l2o.learned.field_safeguard import Fallback, FieldSafeguard
from gnn_l2o.nn.stacked_lstm import StackedLSTM, States
from gnn_l2o.problems import Problem
from gnn_l2o.problems.regularizers import Zero

STEP = 0.1  # of the outputs


class TwinLSTM(nn.Module):
    """An LSTM of two layers for each player; a coordinate of a player sees its own and the other's gradient there.

    Args:
        hidden_features: width of the layers.
        output_bias: whether the outputs have biases.
    """

    def __init__(self, hidden_features: int = 50, *, output_bias: bool = True) -> None:
        super().__init__()
        self.minimizer = StackedLSTM(2, hidden_features, 2, output_bias=output_bias)
        self.maximizer = StackedLSTM(2, hidden_features, 2, output_bias=output_bias)


@dataclass(frozen=True, eq=False)
class TwinL2OState:
    """State of :class:`TwinL2O`."""

    x: Tensor  # (N, d), the iterate, u and v
    minimizer: States  # of its LSTM, each (N, d/2, hidden_features)
    maximizer: States  # likewise
    safeguard: FieldSafeguard | None  # where there is one


@dataclass(frozen=True)
class TwinL2O(LearnedOptimizer[TwinL2OState, TwinLSTM]):
    r"""Twin-L2O (Shen et al. 2021, AAAI, "Learning a minimax optimizer"): players move in turn, each by its LSTM.

    .. math::
        u^{k+1} &= W \bigl(u^k + \eta\, \mathrm{LSTM}_u(\nabla_u F,\ -\nabla_v F)\bigr), && \text{at } (u^k, v^k) \\
        v^{k+1} &= W \bigl(v^k + \eta\, \mathrm{LSTM}_v(-\nabla_v F,\ \nabla_u F)\bigr), && \text{at } (u^{k+1}, v^k)

    with :math:`\eta = 0.1` and the field in place of gradients, as everywhere in :class:`.MinMax`. At one node, W = 1,
    it is the centralized optimizer. Over a network every node mixes u after its half-step and v after its own. It is
    trained on the residual, by any loss of meta-training; the paper takes differences of the payoff, scales the states
    of its LSTMs by 1e-4 before every call and begins with steps along signs, none of which is done here.

    The outputs have biases, so that a saddle point is no fixed point. With ``zero_preserving``, a variant of ours, they
    have none, and are multiplied by the player's own gradient.

    Where nothing is maximized, the two halves of x are two blocks that are minimized over in turn. An iteration costs
    two gradients and two rounds, each of a vector of half the coordinates, which counts as one.

    With a ``safeguard`` nodes whose field does not fall go on with the steps of a handcrafted method
    (:class:`.FieldSafeguard`). Such a step needs a gradient before u is mixed and the learned one needs one after it. A
    node needs one of the two; three gradients an iteration are counted.

    Attributes:
        zero_preserving: see above.
        safeguard: the method, "halpern" or "extragradient", or "none".
    """

    min_max = True
    run_choices: ClassVar[Mapping[str, tuple[str, ...]]] = {"safeguard": get_args(Fallback)}

    zero_preserving: bool = field(default=False, kw_only=True)
    safeguard: Fallback = field(default="none", kw_only=True)

    @property
    def cost(self) -> Cost:
        return Cost(rounds=2, vectors=2, gradients=2 if self.safeguard == "none" else 3)

    def refusal(self, problem: Problem, network: Network) -> str | None:
        if problem.dim % 2 or (problem.maximized is not None and len({math.prod(s) for s in problem.shapes}) > 1):
            return f"its players have equally many coordinates; here x has the shapes {problem.shapes}"
        if not isinstance(problem.regularizer, Zero):
            return f"it is for problems without a regularizer; this one has {problem.regularizer}"
        return super().refusal(problem, network)

    def init(self, problem: Problem, network: Network, x0: Tensor) -> TwinL2OState:
        require(self, problem, network)
        u, v = x0.chunk(2, dim=1)
        minimizer, maximizer = self.weights.minimizer.initial_states(u), self.weights.maximizer.initial_states(v)
        return TwinL2OState(x0, minimizer, maximizer, FieldSafeguard.first(self.safeguard, problem, x0))

    def step(self, problem: Problem, network: Network, state: TwinL2OState) -> TwinL2OState:
        x, safeguard = state.x, state.safeguard
        u, v = x.chunk(2, dim=1)
        field = problem.gradient(x)
        own, other = field.chunk(2, dim=1)
        move, minimizer = self._move(self.weights.minimizer, own, other, state.minimizer)
        moved_u = u + move
        if safeguard is not None:
            safeguard = safeguard.observe(x, field)
            fallback_u, fallback_v = safeguard.step(problem, x, field).chunk(2, dim=1)
            moved_u = torch.where(safeguard.fallen, fallback_u, moved_u)
        u = network.mix(moved_u)
        other, own = problem.gradient(torch.cat([u, v], dim=1)).chunk(2, dim=1)
        move, maximizer = self._move(self.weights.maximizer, own, other, state.maximizer)
        moved_v = v + move
        if safeguard is not None:
            moved_v = torch.where(safeguard.fallen, fallback_v, moved_v)
        return TwinL2OState(torch.cat([u, network.mix(moved_v)], dim=1), minimizer, maximizer, safeguard)

    def _move(self, lstm: StackedLSTM, own: Tensor, other: Tensor, states: States) -> tuple[Tensor, States]:
        """Return how far a player moves, ``(N, d/2)``, and the states after it."""
        output, states = lstm(torch.stack([own, other], dim=-1), states)
        return STEP * (output * own if self.zero_preserving else output), states


@dataclass(frozen=True)
class TwinL2OArchitecture(Architecture[TwinLSTM]):
    """Twin-L2O.

    Training may start ``"still"``, where nothing moves, or ``"random"``, from drawn weights.

    Attributes:
        hidden_features: width of both LSTMs.
        zero_preserving: whether the outputs have no biases and multiply the player's own gradient, so that common
            saddle points are fixed points; a variant of ours.
        safeguard: the handcrafted steps, "halpern" or "extragradient", that a node takes once its field does not fall;
            "none" leaves it to the networks. The weights do not depend on it.
    """

    name = "twin_l2o"
    description = "Twin-L2O (Shen et al. 2021), an LSTM for each player of a min-max problem"
    scope = "It runs on graphs of any size and topology and on games of equally long u and v, without any guarantee."
    inits = ("still", "random")

    hidden_features: int = 50
    zero_preserving: bool = False
    safeguard: Fallback = "none"

    def build(self) -> TwinLSTM:
        return TwinLSTM(self.hidden_features, output_bias=not self.zero_preserving)

    def initialize(self, weights: TwinLSTM, init: str, step_size: float | None) -> None:
        if init == "still":
            weights.minimizer.make_still()
            weights.maximizer.make_still()

    def algorithm(self, weights: TwinLSTM, name: str | None = None) -> TwinL2O:
        return TwinL2O(weights, name or self.name, zero_preserving=self.zero_preserving, safeguard=self.safeguard)
