"""MiLoDo's base update rules without their structure, for the ablation of Fig. 9."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import Cost
from gnn_l2o.graph.network import Network
from gnn_l2o.learned.architecture import Architecture, LearnedOptimizer, require
from gnn_l2o.learned.node_lstms import Memory, NodeLSTMs
from gnn_l2o.learned.own_graph import OwnGraph
from gnn_l2o.problems import Problem
from gnn_l2o.problems.regularizers import Zero


class BaseRuleNetworks(nn.Module):
    """The m_i, s_i and u_i of every node: each an LSTM and a two-layer perceptron over whole vectors (E.5).

    Args:
        graph: whose nodes they are.
        dim: d.
        hidden_features: width of the networks.
    """

    def __init__(self, graph: OwnGraph, dim: int, hidden_features: int) -> None:
        super().__init__()
        self.graph, self.dim = graph, dim
        nodes, width = graph.num_nodes, graph.width
        self.m = NodeLSTMs(nodes, 2 * dim, hidden_features, dim)
        self.s = NodeLSTMs(nodes, width * dim, hidden_features, dim)
        self.u = NodeLSTMs(nodes, width * dim, hidden_features, dim)


@dataclass(frozen=True, eq=False)
class BaseRulesState:
    """State of :class:`BaseRules`."""

    x: Tensor  # (N, d), the iterate
    y: Tensor  # (N, d), the dual; nothing keeps its sum at zero
    memory: tuple[Memory, Memory, Memory]  # of m, s and u


@dataclass(frozen=True)
class BaseRules(LearnedOptimizer[BaseRulesState, BaseRuleNetworks]):
    r"""The base update rules as bare networks (He et al. 2024, Eqs. (12)-(14) with r = 0; E.5, Fig. 9).

    .. math::
        z_i &= x_i - m_i(\nabla f_i(x_i), y_i) && (12) \\
        y_i^+ &= y_i + s_i(\{z_i - z_j\}_{j \in \mathcal N(i)}) && (13) \\
        x_i^+ &= z_i - u_i(\{z_i - z_j\}_{j \in \mathcal N(i)}) && (14)

    Nothing makes a fixed point a solution. The networks' inputs are unscaled vectors, so they are bound to their
    graph, to a dimension and, by their training, to a scale. It costs one gradient and one round of one vector an
    iteration.
    """

    cost = Cost(rounds=1, vectors=1, gradients=1)

    def refusal(self, problem: Problem, network: Network) -> str | None:
        if not isinstance(problem.regularizer, Zero):
            return f"the base rules are for smooth problems; this one has the regularizer {problem.regularizer}"
        if problem.dim != self.weights.dim:
            return f"its networks are bound to {self.weights.dim} coordinates; this problem has {problem.dim}"
        return super().refusal(problem, network) or self.weights.graph.refusal(network)

    def init(self, problem: Problem, network: Network, x0: Tensor) -> BaseRulesState:
        require(self, problem, network)
        m, s, u = (
            lstm.initial_memory(x0, network.num_graphs) for lstm in (self.weights.m, self.weights.s, self.weights.u)
        )
        return BaseRulesState(x0, torch.zeros_like(x0), (m, s, u))

    def step(self, problem: Problem, network: Network, state: BaseRulesState) -> BaseRulesState:
        weights, graph = self.weights, self.weights.graph
        m, s, u = state.memory
        own = torch.cat([problem.gradient(state.x), state.y], dim=1)
        move, m = weights.m(graph.of_nodes(own).transpose(1, 2), m)
        z = state.x - graph.to_nodes(move.transpose(1, 2))
        apart = graph.of_edges(network.differences(z, directed=True), network.num_graphs)
        apart = apart.transpose(2, 3).flatten(1, 2)  # (n, D d, B)
        dual, s = weights.s(apart, s)
        primal, u = weights.u(apart, u)
        y, x = state.y + graph.to_nodes(dual.transpose(1, 2)), z - graph.to_nodes(primal.transpose(1, 2))
        return BaseRulesState(x, y, (m, s, u))


@dataclass(frozen=True)
class BaseRulesArchitecture(Architecture[BaseRuleNetworks]):
    """The base update rules as bare networks of every node's own; training starts from drawn weights (E.5).

    Attributes:
        links: of the graph that the weights are bound to, as in ``"0-1 1-2"``; ``None`` until it is known.
        dim: the dimension that they are bound to; ``None`` until it is known.
        hidden_features: width of the networks.
    """

    name = "base_rules"
    description = "the base update rules (12)-(14) without structure, with LSTMs of each node over whole vectors"
    scope = "It runs on the graph and the dimension it was trained on and on no other, and on smooth problems only."
    inits = ("random",)

    links: str | None = None
    dim: int | None = None
    hidden_features: int = 100

    def bind(self, problem: Problem, network: Network) -> Self:
        links = str(OwnGraph.of(network)) if self.links is None else self.links
        return replace(self, links=links, dim=problem.dim if self.dim is None else self.dim)

    def build(self) -> BaseRuleNetworks:
        if self.links is None or self.dim is None:
            raise InputError(f"a {self.name} needs the links of its graph and dim; Architecture.bind takes them")
        return BaseRuleNetworks(OwnGraph.parse(self.links), self.dim, self.hidden_features)

    def algorithm(self, weights: BaseRuleNetworks, name: str | None = None) -> BaseRules:
        return BaseRules(weights, name or self.name)
