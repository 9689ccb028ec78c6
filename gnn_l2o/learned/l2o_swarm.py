"""L2O-Swarm, learning to optimize in swarms: a graph network whose nodes are particles."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.decentralized.wrapper import gradient_with_regularizer
from gnn_l2o.graph.communication import Ends
from gnn_l2o.graph.network import Network
from gnn_l2o.learned.architecture import Architecture, LearnedOptimizer
from gnn_l2o.nn.stacked_lstm import States
from gnn_l2o.nn.swarm import SwarmNetwork
from gnn_l2o.problems import Problem

MOMENTUM = 0.9
LENGTH = 1.0  # l, of the kernel in the attention over particles


@dataclass(frozen=True, eq=False)
class L2OSwarmState:
    """State of :class:`L2OSwarm`."""

    x: Tensor  # (N, d), the iterate
    momentum: Tensor  # (N, d)
    best: Tensor  # (N, d), the best of the particle's points before x
    best_value: Tensor  # (N, 1), the objective there; infinite at first
    states: States  # of the LSTM, each (N, d, hidden_features)


@dataclass(frozen=True)
class L2OSwarm(LearnedOptimizer[L2OSwarmState, SwarmNetwork]):
    r"""L2O-Swarm (Cao et al. 2019, NeurIPS, arXiv:1911.03787): particles that attend to each other, each with an LSTM.

    A node is a particle. With :math:`F_i = f_i + r`, and sums over the neighbours j of i and i itself, an iteration is

    .. math::
        \phi_i &= \Bigl(g_i,\ m_i = \beta m_i^- + (1 - \beta) g_i,\ x_i - x_i^{\text{best}},\
            \sum_{j: F_j(x_j) < F_i(x_i)} \alpha_{ij} (x_i - x_j)\Bigr) \\
        s_i &= \text{the attention over these four features} \quad (\text{FeatureAttention}) \\
        e_i &= s_i + \gamma_i \sum_j \mu_{ij} q_{ij} s_j, \qquad
            \mu_{ij} \propto e^{-\|x_i - x_j\|^2 / 2 \ell^2}, \quad q_{ij} \propto e^{s_i^\top s_j}, \quad
            \gamma_i = \frac{1}{\deg_i + 1} \\
        x_i^+ &= x_i + \mathrm{LSTM}(e_i)

    where :math:`\alpha_{ij} \propto e^{-\|x_i - x_j\|^2}` sums to one over the better neighbours,
    :math:`\mu` and q over all of them and i. Here :math:`\beta = 0.9` and :math:`\ell = 1`.

    Where all f_i are the same f and the graph is complete, it is the published method, with :math:`\gamma = 1/k` for k
    particles. Over other graphs it is a decentralized swarm. A single node is a point-based optimizer. Nodes do not
    agree, and do not try to: what counts is the best particle (:class:`.BestParticle`). Where the f_i differ, no
    particle knows the mean of them, and the method does not solve the problem.

    Choices of ours: attention acts on every coordinate by itself, so that weights suit every dimension; the momentum is
    an average, with the factor :math:`1 - \beta`; the loss of training has no entropy of a posterior over the optimum,
    which the paper adds; gradients are not differentiated in training. There is no guarantee.

    An iteration takes two rounds: x with the value there, then s.
    """

    cost = Cost(rounds=2, vectors=2, numbers=1, gradients=1)

    def init(self, problem: Problem, network: Network, x0: Tensor) -> L2OSwarmState:
        unknown = x0.new_full((x0.size(0), 1), torch.inf)
        return L2OSwarmState(x0, torch.zeros_like(x0), x0, unknown, self.weights.lstm.initial_states(x0))

    def step(self, problem: Problem, network: Network, state: L2OSwarmState) -> L2OSwarmState:
        x = state.x
        gradient = gradient_with_regularizer(problem, x).detach()
        value = (problem.loss(x) + problem.node_regularizer.value(x).unsqueeze(1)).detach()
        momentum = MOMENTUM * state.momentum + (1 - MOMENTUM) * gradient
        improved = value < state.best_value
        best, best_value = torch.where(improved, x, state.best), torch.where(improved, value, state.best_value)
        positions, values = network.neighbours(x, numbers=value, directed=True)
        distance = positions.difference.square().sum(dim=1, keepdim=True)
        pull = attraction(network, positions, values, distance)
        features = torch.stack([gradient, momentum, x - best, pull], dim=-1)
        summary = self.weights.summarize(features, state.states)
        attended = summary + cooperation(network, summary, distance)
        move, states = self.weights.lstm(attended.unsqueeze(-1), state.states)
        return L2OSwarmState(x + move, momentum, best, best_value, states)


def attraction(network: Network, positions: Ends, values: Ends, distance: Tensor) -> Tensor:
    r"""Return :math:`\sum_j \alpha_{ij} (x_i - x_j)` over the better neighbours of every node, 0 without any.

    Args:
        network: whose edges these are.
        positions: the points at the ends of every directed edge, ``(E, d)``.
        values: the objectives there, ``(E, 1)``.
        distance: :math:`\|x_i - x_j\|^2`, ``(E, 1)``.

    Returns:
        ``(N, d)``.
    """
    better = values.other < values.own
    nearest = network.reduce(torch.where(better, distance, torch.inf), "amin", empty=torch.inf, directed=True)
    # Relative to the nearest one no exponential vanishes that matters; where none is better, all weights are 0.
    nearest = network.to_edges(torch.where(nearest.isfinite(), nearest, 0.0))
    weight = torch.where(better, (nearest - torch.where(better, distance, nearest)).exp(), 0.0)
    total = network.collect(weight, directed=True)
    pulled = network.collect(weight * positions.difference, directed=True)
    return pulled / torch.where(total > 0, total, 1.0)


def cooperation(network: Network, summary: Tensor, distance: Tensor) -> Tensor:
    r"""Return :math:`\gamma_i \sum_j \mu_{ij} q_{ij} s_j` of :class:`L2OSwarm`, from one exchange of s.

    Args:
        network: over which the particles attend to each other.
        summary: s, ``(N, d)``.
        distance: :math:`\|x_i - x_j\|^2` of every directed edge, ``(E, 1)``.

    Returns:
        ``(N, d)``.
    """
    (summaries,) = network.neighbours(summary, directed=True)
    near, near_self = softmax(network, -distance / (2 * LENGTH**2), torch.zeros_like(summary[:, :1]))
    alike, alike_self = softmax(
        network,
        (summaries.own * summaries.other).sum(dim=1, keepdim=True),
        summary.square().sum(dim=1, keepdim=True),
    )
    total = near_self * alike_self * summary + network.collect(near * alike * summaries.other, directed=True)
    return total / (network.degree.to(summary.dtype) + 1)


def softmax(network: Network, at_edges: Tensor, at_nodes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the softmax of every node's scores over its edges and itself.

    Args:
        network: whose edges these are.
        at_edges: ``(E, 1)``, of every directed edge, at its receiver.
        at_nodes: ``(N, 1)``, of every node for itself.

    Returns:
        ``(E, 1)`` and ``(N, 1)``, whose sum is one at every node.
    """
    largest = network.reduce(at_edges.detach(), "amax", empty=-torch.inf, directed=True)
    largest = torch.maximum(largest, at_nodes.detach())
    edges, nodes = (at_edges - network.to_edges(largest)).exp(), (at_nodes - largest).exp()
    total = nodes + network.collect(edges, directed=True)
    return edges / network.to_edges(total), nodes / total


@dataclass(frozen=True)
class L2OSwarmArchitecture(Architecture[SwarmNetwork]):
    """L2O-Swarm.

    Training may start ``"still"``, where nothing moves, or ``"random"``, from drawn weights. Its loss should be one of
    particles, ``"particles"``.

    Attributes:
        hidden_features: width of the LSTM and of the attention over features.
    """

    name = "l2o_swarm"
    description = "L2O-Swarm (Cao et al. 2019), an LSTM and attention that let particles, one a node, search together"
    scope = "It runs on graphs of any size and topology and on one function of all nodes, without any guarantee."
    inits = ("still", "random")

    hidden_features: int = 20

    def build(self) -> SwarmNetwork:
        return SwarmNetwork(self.hidden_features)

    def initialize(self, weights: SwarmNetwork, init: str, step_size: float | None) -> None:
        if init == "still":
            weights.lstm.make_still()

    def algorithm(self, weights: SwarmNetwork, name: str | None = None) -> L2OSwarm:
        return L2OSwarm(weights, name or self.name)
