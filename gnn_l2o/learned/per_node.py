"""MiLoDo as its paper has it: every node with networks of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn

from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.communication import Ends
from gnn_l2o.graph.exchange import Exchange
from gnn_l2o.graph.network import Network
from gnn_l2o.learned.architecture import Architecture, require
from gnn_l2o.learned.milodo import MiLoDo
from gnn_l2o.learned.node_lstms import Memory, NodeLSTMs
from gnn_l2o.learned.own_graph import OwnGraph
from gnn_l2o.nn.coefficient_source import CoefficientSource, SourceCost
from gnn_l2o.nn.facts import GraphFacts
from gnn_l2o.nn.stability import StabilityBounds
from gnn_l2o.nn.state import MiLoDoState
from gnn_l2o.problems import Problem

_Memory = tuple[Memory, Memory, Memory]


class PerNodeNetworks(nn.Module, CoefficientSource):
    r"""Coefficients from three coordinate-wise LSTMs of every node's own (He et al. 2024, Eqs. (25)-(28), E.3).

    .. math::
        p_i &= \mathrm{ReLU}(\phi_{M,i}(\nabla f_i(x_i), y_i)) && (25) \\
        \{\tilde p_{ij1}\}_j &= \exp(\phi_{S,i}(\{z_i - z_j\}_{j \in \mathcal N(i)})) && (26) \\
        \{p_{ij2}\}_j &= \mathrm{ReLU}(\phi_{U,i}(\{z_i - z_j\}_{j \in \mathcal N(i)})) && (27) \\
        p_{ij1} &= (\tilde p_{ij1} + \tilde p_{ji1}) / 2 && (28)

    A :class:`.CoefficientSource` whose rows of edges are directed edges. Nodes of a degree below the largest have
    inputs that stay 0 and outputs that are not used. Memories are zero at first: the paper draws them, which makes runs
    irreproducible.

    Args:
        graph: whose nodes they are.
        hidden_features: width of the networks; the paper's is 20.
    """

    def __init__(self, graph: OwnGraph, hidden_features: int = 20) -> None:
        super().__init__()
        self.directed = True
        self.graph = graph
        nodes, width = graph.num_nodes, graph.width
        self.step = NodeLSTMs(nodes, 2, hidden_features, 1)
        self.dual = NodeLSTMs(nodes, width, hidden_features, width)
        self.primal = NodeLSTMs(nodes, width, hidden_features, width)

    def emit_exact_diffusion(self, step_size: float) -> None:
        r"""Make them emit :math:`\gamma`, :math:`w_{ij} / (2 \gamma)`, :math:`w_{ij} / 2` (special, E.1).

        The weights w_ij are Metropolis weights.

        Args:
            step_size: :math:`\gamma`.
        """
        network = Network.from_edges(self.graph.links, self.graph.num_nodes)
        weight = network.weights(directed=True)
        weights = self.graph.of_edges(weight, copies=1)[..., 0, 0]
        weights = weights.where(weights > 0, torch.ones_like(weights))  # where there is no neighbour, any value
        self.step.emit(torch.full((self.graph.num_nodes, 1), step_size))
        self.dual.emit((weights / (2 * step_size)).log())
        self.primal.emit(weights / 2)

    def recompute_cost(self, shapes: tuple[tuple[int, ...], ...]) -> SourceCost:
        return SourceCost(rounds=1, vectors=1)

    def init_memory(
        self, x: Tensor, gradient: Tensor, facts: GraphFacts, bounds: StabilityBounds, exchange: Exchange
    ) -> _Memory:
        columns = x.numel() // self.graph.num_nodes
        step, dual, mixing = (lstm.initial_memory(x, columns) for lstm in (self.step, self.dual, self.primal))
        return step, dual, mixing

    def preconditioner(self, state: MiLoDoState, gradient: Tensor, exchange: Exchange) -> tuple[Tensor, _Memory]:
        step, dual, mixing = state.memory
        graph = self.graph
        features = torch.stack([graph.of_nodes(value).flatten(1) for value in (gradient, state.y)], dim=1)
        output, step = self.step(features, step)
        size = graph.to_nodes(output.squeeze(1).unflatten(1, (-1, gradient.size(1))))
        return size.relu(), (step, dual, mixing)

    def edge_weights(
        self, state: MiLoDoState, z: Ends, message: tuple[Ends, ...], memory: _Memory, exchange: Exchange
    ) -> tuple[Tensor, Tensor, _Memory]:
        lstm, dual, mixing = memory
        coordinates = z.own.size(1)
        features = self.graph.of_edges(z.difference, state.x.size(0) // self.graph.num_nodes).flatten(2)
        s, dual = self.dual(features, dual)
        u, mixing = self.primal(features, mixing)
        s, u = (self.graph.to_edges(o.unflatten(2, (-1, coordinates))) for o in (s, u))
        s = s.exp()
        return 0.5 * (s + exchange.swap(s)), u.relu(), (lstm, dual, mixing)


@dataclass(frozen=True)
class PerNodeMiLoDo(MiLoDo):
    """MiLoDo with :class:`PerNodeNetworks`, which run on no graph but their own.

    One iteration costs one gradient, one prox and two rounds of one vector: z, and the dual step sizes of (28).
    """

    def refusal(self, problem: Problem, network: Network) -> str | None:
        assert isinstance(self.source, PerNodeNetworks)
        return super().refusal(problem, network) or self.source.graph.refusal(network)

    def init(self, problem: Problem, network: Network, x0: Tensor) -> MiLoDoState:
        require(self, problem, network)
        return super().init(problem, network, x0)


@dataclass(frozen=True)
class PerNodeArchitecture(Architecture[PerNodeNetworks]):
    """The paper's MiLoDo, with three networks for every node.

    Training may begin at ``"special"``: exact diffusion with a step size of 0.03, or ``"random"`` (E.1).

    Attributes:
        links: of the graph that the weights are bound to, as in ``"0-1 1-2"``; ``None`` until it is known.
        hidden_features: width of the networks.
    """

    name = "per_node"
    description = "the paper's MiLoDo, equations (22)-(28), with coefficients from three LSTMs of each node"
    scope = "It runs on the graph it was trained on and on no other; problems may have any dimension."
    inits = ("special", "random")

    links: str | None = None
    hidden_features: int = 20

    def bind(self, problem: Problem, network: Network) -> Self:
        return self if self.links is not None else replace(self, links=str(OwnGraph.of(network)))

    @property
    def default_step_size(self) -> float:
        return 0.03  # He et al. 2024, Table 3, Prox-ED

    def build(self) -> PerNodeNetworks:
        if self.links is None:
            raise InputError(f"a {self.name} needs the links of its graph; Architecture.bind takes them")
        return PerNodeNetworks(OwnGraph.parse(self.links), self.hidden_features)

    def initialize(self, weights: PerNodeNetworks, init: str, step_size: float | None) -> None:
        if init == "special":
            weights.emit_exact_diffusion(self.default_step_size if step_size is None else step_size)

    def algorithm(self, weights: PerNodeNetworks, name: str | None = None) -> PerNodeMiLoDo:
        return PerNodeMiLoDo(weights, name=name or self.name)
