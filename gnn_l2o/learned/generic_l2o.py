"""Generic learning to optimize carried over to graphs: an LSTM on a node's neighbourhood, without structure."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.algorithms.curvature import added_curvature
from gnn_l2o.graph.network import Network
from gnn_l2o.learned.architecture import Architecture, LearnedOptimizer
from gnn_l2o.nn.features import first_step_size, signed_log, stack
from gnn_l2o.nn.lstm import CoordinateLSTM, Memory
from gnn_l2o.problems import Problem


class GenericUpdate(nn.Module):
    r"""The learned update :math:`m_i`: a coordinate-wise LSTM with a direction o and a magnitude o' as outputs.

    .. math:: m_i = \sigma_i \, o \, e^{o'}

    :math:`\sigma_i` is the size of the node's first gradient step; the inputs are signed logarithms in that unit, as
    learned optimizers need them to work over many decades (Andrychowicz et al. 2016, appendix A). The exponential does
    the same for the output.

    Args:
        hidden_features: width of the LSTM.
    """

    def __init__(self, hidden_features: int = 20) -> None:
        super().__init__()
        self.lstm = CoordinateLSTM(4, hidden_features, 2)

    def forward(self, features: Tensor, unit: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        (direction, magnitude), memory = self.lstm(features, memory)
        return unit * direction * magnitude.exp(), memory


@dataclass(frozen=True, eq=False)
class GenericL2OState:
    """State of :class:`GenericL2O`."""

    x: Tensor  # (N, d), the iterate
    unit: Tensor | None  # (N, 1), the size of the first gradient step, None before it
    memory: Memory


@dataclass(frozen=True)
class GenericL2O(LearnedOptimizer[GenericL2OState, GenericUpdate]):
    r"""The naive decentralized L2O of He et al. 2024, Eq. (3).

    .. math:: x_i^+ = x_i + m_i(\{x_j, \nabla f_j(x_j)\}_{j \in \mathcal N(i) \cup \{i\}})

    In the paper every node has an :math:`m_i` of its own, as wide as its neighbourhood. Here all share one, which sees
    the node's own gradient and iterate and the means of :math:`\nabla f_j(x_j)` and of :math:`x_j - x_i` over its
    neighbours, so that it runs on every graph as the optimizer does that it is compared with. There is no prox: a
    regularizer can only be learned by heart. Nothing makes a fixed point a solution, or a consensus.

    One iteration costs one gradient and two rounds, of x and of the gradient.
    """

    cost = Cost(rounds=2, vectors=2, gradients=1)
    setup_knowledge = frozenset({"graph_max"})

    def init(self, problem: Problem, network: Network, x0: Tensor) -> GenericL2OState:
        return GenericL2OState(x0, None, self.weights.lstm.initial_memory(x0))

    def step(self, problem: Problem, network: Network, state: GenericL2OState) -> GenericL2OState:
        x, gradient, smoothness = state.x, problem.gradient(state.x), problem.smoothness().to(state.x)
        smoothness = smoothness + added_curvature(smoothness, network)
        unit = first_step_size(gradient, smoothness) if state.unit is None else state.unit
        force = smoothness * unit  # a gradient that moves a node by one unit
        features = stack(
            signed_log(gradient, force),
            signed_log(gradient - _mean_difference(network, gradient), force),
            signed_log(x, unit),
            signed_log(-_mean_difference(network, x), unit),
        )
        move, memory = self.weights(features, unit, state.memory)
        return GenericL2OState(x + move, unit, memory)


def _mean_difference(network: Network, value: Tensor) -> Tensor:
    """Send values over every edge and return the mean of v_i - v_j over the neighbours j, ``(N, d)``."""
    return network.collect(network.differences(value)) / network.degree.clamp(min=1)


@dataclass(frozen=True)
class GenericL2OArchitecture(Architecture[GenericUpdate]):
    """The naive decentralized L2O, shared by all nodes.

    Training may start ``"still"``, where nothing moves, or ``"random"``, from drawn weights.

    Attributes:
        hidden_features: width of the LSTM.
    """

    name = "generic_l2o"
    description = "the naive decentralized L2O, equation (3), an LSTM that all nodes share, without any structure"
    scope = "It runs on graphs of any size and topology and on problems of any dimension, but uses no prox."
    inits = ("still", "random")

    hidden_features: int = 20

    def build(self) -> GenericUpdate:
        return GenericUpdate(self.hidden_features)

    def initialize(self, weights: GenericUpdate, init: str, step_size: float | None) -> None:
        if init == "still":
            weights.lstm.emit([0.0, 0.0])

    def algorithm(self, weights: GenericUpdate, name: str | None = None) -> GenericL2O:
        return GenericL2O(weights, name or self.name)
