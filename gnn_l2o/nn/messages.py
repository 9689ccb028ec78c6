"""Message passing of PyTorch Geometric, as the layers of the rules use it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch_geometric.nn import MessagePassing
from torch_geometric.utils import degree, scatter

from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.communication import Ends
from gnn_l2o.graph.edges import links_of, reverse_edges
from gnn_l2o.graph.mixing import metropolis
from gnn_l2o.nn.facts import GraphFacts


class MessageLayer(MessagePassing):
    """A layer whose nodes receive their neighbours' values and sum what arrives."""

    def __init__(self) -> None:
        super().__init__(aggr="sum")

    def facts(
        self,
        x: Tensor,
        edge_index: Tensor,
        *,
        smoothness: Tensor | float,
        mean_curvature: Tensor | float | None,
        spectral_gap: Tensor | float | None,
        min_eigenvalue: Tensor | float | None,
        batch: Tensor | None,
    ) -> tuple[Messages, GraphFacts]:
        """Return the exchange over a graph, and the set-up knowledge, see :meth:`.MiLoDoConv.init`.

        Raises:
            InputError: an edge lacks its reverse, is given twice, is a self-loop or joins two graphs.
        """
        exchange = Messages.of(self, edge_index, x.size(0), batch)
        j, i = edge_index
        if (exchange.graph[i] != exchange.graph[j]).any():
            raise InputError(
                "edge_index joins nodes of different graphs; expected batch to number the graph of each node"
            )
        links, edge_link = links_of(edge_index, exchange.reverse)
        weight = torch.from_numpy(metropolis(links.t().cpu().numpy(), x.size(0))).to(x)[edge_link].unsqueeze(1)
        column = x.new_ones(x.size(0), 1)
        self_weight = 1 - torch.zeros_like(column).index_add(0, i, weight)
        if min_eigenvalue is None:
            min_eigenvalue = (2 * exchange.graph_min(self_weight, setup=True) - 1).clamp(max=0)
        facts = GraphFacts.of(
            smoothness=column * smoothness,
            mean_curvature=column * (smoothness if mean_curvature is None else mean_curvature),
            self_weight=self_weight,
            num_nodes=degree(exchange.graph, dtype=x.dtype).index_select(0, exchange.graph).unsqueeze(1),
            spectral_gap=column * (0.0 if spectral_gap is None else spectral_gap),
            min_eigenvalue=column * min_eigenvalue,
            weight=weight,
        )
        return exchange, facts

    def receive(self, value: Tensor, edge_index: Tensor) -> Tensor:
        """Return v_j at the receiver of every edge: ``(N, k)`` to ``(E, k)``."""
        return self.edge_updater(edge_index, value=value)

    def deliver(self, update: Tensor, edge_index: Tensor, num_nodes: int) -> Tensor:
        """Sum the updates that arrive at every node: ``(E, d)`` to ``(N, d)``."""
        return self.propagate(edge_index, update=update, size=(num_nodes, num_nodes))

    def edge_update(self, value_j: Tensor) -> Tensor:
        return value_j

    def message(self, update: Tensor) -> Tensor:
        return update


@dataclass(frozen=True)
class Messages:
    """The messages of a layer on one graph or a batch, as the :class:`.Exchange` of the rules.

    Attributes:
        conv: passes the messages.
        edge_index: ``(2, E)``.
        reverse: see :func:`.reverse_edges`.
        graph: the number of every node's graph, ``(N,)``.
    """

    conv: MessageLayer
    edge_index: Tensor
    reverse: Tensor
    graph: Tensor

    @classmethod
    def of(cls, conv: MessageLayer, edge_index: Tensor, num_nodes: int, batch: Tensor | None = None) -> Messages:
        graph = edge_index.new_zeros(num_nodes) if batch is None else batch
        return cls(conv, edge_index, reverse_edges(edge_index, num_nodes), graph)

    def neighbours(self, *vectors: Tensor, numbers: Tensor | None = None, setup: bool = False) -> tuple[Ends, ...]:
        values = vectors if numbers is None else (*vectors, numbers)
        receiver = self.edge_index[1]
        return tuple(Ends(v.index_select(0, receiver), self.conv.receive(v, self.edge_index)) for v in values)

    def graph_min(self, value: Tensor, *, setup: bool = False) -> Tensor:
        return scatter(value, self.graph, dim=0, reduce="min").index_select(0, self.graph)

    def swap(self, value: Tensor) -> Tensor:
        return value.index_select(0, self.reverse)

    def collect(self, message: Tensor) -> Tensor:
        return self.conv.deliver(message, self.edge_index, self.graph.numel())

    def reduce(self, value: Tensor, how: Literal["sum", "amin", "amax"], *, empty: float) -> Tensor:
        like = value.new_full((self.graph.numel(), value.size(1)), empty)
        rows = self.edge_index[1].unsqueeze(1).expand_as(value)
        return like.scatter_reduce(0, rows, value, how, include_self=False)

    def at_edges(self, value: Tensor) -> Tensor:
        return value.index_select(0, self.edge_index[1])

    def operator(self, *weights: Tensor) -> None:
        return None

    def flows(self, operator: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        return tuple(torch.split(operator @ z, self.graph.numel()))
