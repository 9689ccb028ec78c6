"""Message passing of PyTorch Geometric, as the layers of the rules use it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
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
from gnn_l2o.nn.spectrum import components, graph_spectrum


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
        needs_spectrum: bool,
    ) -> tuple[Messages, GraphFacts]:
        """Return the exchange over a graph, and the set-up knowledge, see :meth:`.MiLoDoConv.init`.

        Args:
            needs_spectrum: whether to compute what is not given of the spectrum.

        Raises:
            InputError: x is no ``(N, d)`` of real numbers in the precision of the layer, or an edge lacks its reverse,
                is given twice, is a self-loop or joins two graphs.
        """
        self.check(x)
        exchange = Messages.of(self, edge_index, x.size(0))
        j, i = edge_index
        if batch is not None and (batch[i] != batch[j]).any():
            raise InputError(
                "edge_index joins nodes of different graphs; expected batch to number the graph of each node"
            )
        links, edge_link = links_of(edge_index, exchange.reverse)
        weight = torch.from_numpy(metropolis(links.t().cpu().numpy(), x.size(0))).to(x)[edge_link].unsqueeze(1)
        column = x.new_ones(x.size(0), 1)
        self_weight = 1 - torch.zeros_like(column).index_add(0, i, weight)
        if needs_spectrum and spectral_gap is None:
            spectrum = graph_spectrum(edge_index, x.size(0))
            spectral_gap = spectrum.spectral_gap.to(x)
            min_eigenvalue = spectrum.min_eigenvalue.to(x) if min_eigenvalue is None else min_eigenvalue
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

    def check(self, x: Tensor) -> None:
        """Raise an :class:`InputError` unless x is ``(N, d)`` of real numbers in the precision of the layer."""
        if x.dim() != 2 or not x.is_floating_point():
            hint = "x.unsqueeze(-1) has one coordinate" if x.dim() == 1 else "x.float() are real numbers"
            raise InputError(f"x must be (N, d) of real numbers, got {_described(x)} ({hint})")
        for parameter in self.parameters():
            if parameter.dtype != x.dtype:
                raise InputError(
                    f"x is of {x.dtype} and the layer of {parameter.dtype}; expected the same "
                    f"(layer.to({x.dtype}) or x.to({parameter.dtype}))"
                )

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


def check_like(name: str, value: Tensor, x: Tensor) -> None:
    """Raise an :class:`InputError` unless a value of the nodes has the shape and the precision of x."""
    if value.shape != x.shape or value.dtype != x.dtype:
        raise InputError(f"{name} must be {_described(x)} like x, got {_described(value)}")


def _described(value: Tensor) -> str:
    return f"({', '.join(map(str, value.shape))}) of {value.dtype}"


@dataclass(frozen=True)
class Messages:
    """The messages of a layer on one graph or a batch, as the :class:`.Exchange` of the rules.

    Attributes:
        conv: passes the messages.
        edge_index: ``(2, E)``.
        reverse: see :func:`.reverse_edges`.
        num_nodes: N.
    """

    conv: MessageLayer
    edge_index: Tensor
    reverse: Tensor
    num_nodes: int

    @classmethod
    def of(cls, conv: MessageLayer, edge_index: Tensor, num_nodes: int) -> Messages:
        return cls(conv, edge_index, reverse_edges(edge_index, num_nodes), num_nodes)

    @cached_property
    def graph(self) -> Tensor:
        """The number of every node's graph, ``(N,)``: its connected component, all that its messages can reach."""
        return components(self.edge_index, self.num_nodes)

    def neighbours(self, *vectors: Tensor, numbers: Tensor | None = None, setup: bool = False) -> tuple[Ends, ...]:
        values = vectors if numbers is None else (*vectors, numbers)
        receiver = self.edge_index[1]
        return tuple(Ends(v.index_select(0, receiver), self.conv.receive(v, self.edge_index)) for v in values)

    def graph_min(self, value: Tensor, *, setup: bool = False) -> Tensor:
        return scatter(value, self.graph, dim=0, reduce="min").index_select(0, self.graph)

    def swap(self, value: Tensor) -> Tensor:
        return value.index_select(0, self.reverse)

    def collect(self, message: Tensor) -> Tensor:
        return self.conv.deliver(message, self.edge_index, self.num_nodes)

    def reduce(self, value: Tensor, how: Literal["sum", "amin", "amax"], *, empty: float) -> Tensor:
        like = value.new_full((self.num_nodes, value.size(1)), empty)
        rows = self.edge_index[1].unsqueeze(1).expand_as(value)
        return like.scatter_reduce(0, rows, value, how, include_self=False)

    def at_edges(self, value: Tensor) -> Tensor:
        return value.index_select(0, self.edge_index[1])

    def operator(self, *weights: Tensor) -> None:
        return None

    def flows(self, operator: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        return tuple(torch.split(operator @ z, self.num_nodes))
