"""The networks that emit the penalties of MiLoDo's rule with local solves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from gnn_l2o.graph.communication import Ends
from gnn_l2o.graph.exchange import Exchange
from gnn_l2o.nn.facts import GraphFacts
from gnn_l2o.nn.local_state import LocalState
from gnn_l2o.nn.lstm import SKIP_RATE, CoordinateLSTM, Memory
from gnn_l2o.nn.penalty_features import (
    KNOWN,
    KNOWN_AT_EDGES,
    OF_GRAPH,
    SEEN,
    known_at_node,
    seen_in_step,
    told_at_edges,
)
from gnn_l2o.nn.penalty_source import PenaltySource

MESSAGES = 4  # numbers that a node sends beside its change of the penalties
FLOOR = 1e-6  # of a diagonal entry relative to the node's mean, so that a column of zeros has a penalty as well
LARGEST = 6.0  # of the logarithms of penalties in their units
FASTEST, WINDOW = 0.5, 16.0  # penalties change by no more than a factor exp(FASTEST / (1 + (k / WINDOW)^2)) a step
HIGHEST_RELAXATION, RELAXATION_LOGIT = 0.99, 3.15  # at first 0.97
MESSAGE_SCALE = 0.1  # of the weights that messages begin with; nothing could be learned from messages of zero
LEVELS = (-3.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5)  # logarithms that grid-search initialization tries


@dataclass(frozen=True)
class PenaltyMemory:
    """What a :class:`PenaltyNetwork` keeps between two iterations.

    Attributes:
        unit: of the penalties, ``(R, d)`` or ``(R, 1)``.
        own_unit: the same of a node and itself, ``(N, d)`` or ``(N, 1)``.
        curvature: the mean curvature of f_i at the initial point, ``(N, 1)``.
        level: the logarithms of the penalties in their units, ``(R, 1)``.
        frozen: where they stay 0, ``(R, 1)``.
        known: the constant features of nodes, ``(N, features)``.
        known_at_edges: those of edges, ``(R, features)``.
        degree: how many neighbours every node has, at least 1, ``(N, 1)``.
        alone: whether it has none, ``(N, 1)``.
        sent: the numbers that the node sent last, ``(N, numbers)``.
        heard: the mean of what its neighbours sent, so too.
        node: of the node's LSTM.
        edge: of the edge's LSTM, if there is one.
    """

    unit: Tensor
    own_unit: Tensor
    curvature: Tensor
    level: Tensor
    frozen: Tensor
    known: Tensor
    known_at_edges: Tensor
    degree: Tensor
    alone: Tensor
    sent: Tensor
    heard: Tensor
    node: Memory
    edge: Memory | None


class PenaltyNetwork(nn.Module, PenaltySource):
    r"""Emits the penalties :math:`\rho_{ij}` of :func:`.local_step`: message-passing LSTMs with shared weights.

    .. math::
        \rho_{ij}^k = e^{\ell_{ij}^k} \, q_i \odot q_j, \qquad
        q_i = \sqrt{\frac{\bar h_i}{|\mathcal N(i)|}} \Bigl(\frac{h_i}{\bar h_i}\Bigr)^{\theta_i / 2}

    with :math:`h_i` the diagonal of the Hessian of f_i at the initial point and :math:`\bar h_i` its mean. Before the
    first iteration neighbours tell each other q, d numbers; they let penalties differ by coordinate. After that the
    edge's number :math:`\ell_{ij}` is all that changes:

    .. math::
        \ell_{ij}^0 = \tfrac12 (a_i + a_j), \qquad
        \ell_{ij}^{k+1} = \ell_{ij}^k + b_k \tanh\bigl(\tfrac12 (c_i^k + c_j^k) + e_{ij}^k\bigr), \qquad
        b_k = \frac{1}{2 (1 + (k / 16)^2)}

    and it stays within -6 and 6. Where an end has next to no curvature of its own
    (:attr:`.GraphFacts.added_curvature`) it is 0 for good: what such a node sees says nothing of the others.
    :math:`a_i` and :math:`\theta_i` in (0, 1) follow from what a node knows before the
    first iteration (:func:`.known_at_node`). A node's LSTM sees in addition what the last step was like
    (:func:`.seen_in_step`) and what its neighbours sent, and emits the change c and four more numbers, which are sent
    with z; an edge's LSTM sees sums and differences of what its two ends sent and emits e, equal at both.

    As the b_k are summable, penalties converge to positive numbers whatever the weights, see :func:`.local_step`.
    Features are scale-free: multiplying f and r by a constant multiplies the penalties by it, and multiplying x by one
    changes nothing else. They are measured, not differentiated.

    Args:
        hidden_features: width of the LSTMs.
        edges: whether there is an LSTM at edges; otherwise e = 0.

    Shape:
        N nodes, R rows of edges (:class:`.Exchange`), d coordinates.
    """

    def __init__(self, hidden_features: int = 16, *, edges: bool = True) -> None:
        super().__init__()
        self.numbers = 1 + MESSAGES
        self.first_linear = nn.Linear(KNOWN, 1)
        self.first_inner = nn.Linear(KNOWN, hidden_features)
        self.first_outer = nn.Linear(hidden_features, 1)
        self.power = nn.Linear(KNOWN, 1)
        self.node = CoordinateLSTM(KNOWN + SEEN + self.numbers, hidden_features, self.numbers, skip_connection=True)
        at_edges = 2 * self.numbers + KNOWN_AT_EDGES
        self.edge = CoordinateLSTM(at_edges, hidden_features, 1, skip_connection=True) if edges else None
        self.relaxation = nn.Linear(OF_GRAPH, 1)
        self.emit(0.0)

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments that it was made with."""
        return {"hidden_features": self.node.hidden_features, "edges": self.edge is not None}

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        for part in self.children():
            assert isinstance(part, nn.Linear | CoordinateLSTM)
            part.reset_parameters()

    def emit(self, level: float) -> None:
        """Make penalties constants, from which training departs, whatever the networks' inputs.

        Args:
            level: l, their logarithm in their units, between -6 and 6.
        """
        for layer in (self.first_outer, self.first_linear, self.power, self.relaxation):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.node.emit([0.0] * self.numbers)
        if self.edge is not None:
            self.edge.emit([0.0])
        draws = torch.Generator().manual_seed(0)
        with torch.no_grad():
            self.first_linear.bias.fill_(level)
            self.relaxation.bias.fill_(RELAXATION_LOGIT)
            messages = self.node.outer.weight[1:]
            messages.copy_(MESSAGE_SCALE * torch.randn(messages.shape, generator=draws))

    @property
    def trials(self) -> list[dict[str, float]]:
        """The constants that grid-search initialization tries, as :meth:`emit` takes them."""
        return [{"level": level} for level in LEVELS]

    def constants(self) -> tuple[Tensor, Tensor]:
        """Return the outputs that :meth:`emit` has set, at nodes; there are none at edges."""
        bias = self.first_linear.bias.detach().clone()
        return bias, bias[:0]

    def emit_linear(self, node: Tensor, edge: Tensor) -> None:
        """Make the first penalties a linear function of the constant features.

        Args:
            node: coefficients of 1 and of :func:`.known_at_node`, ``(1 + features, 1)``.
            edge: of nothing, ``(1, 0)``.
        """
        with torch.no_grad():
            self.first_linear.bias.copy_(node[0])
            self.first_linear.weight.copy_(node[1:].t() / SKIP_RATE)

    def known(self, state: LocalState, exchange: Exchange) -> tuple[Tensor, Tensor]:
        """Return the constant features of nodes, ``(N, features)``, and none of edges."""
        memory: PenaltyMemory = state.memory
        return memory.known, memory.known_at_edges[:, :0]

    def start(self, facts: GraphFacts, curvature: Tensor, exchange: Exchange) -> tuple[Tensor, Tensor, PenaltyMemory]:
        mean = curvature.mean(dim=1, keepdim=True)
        mean = torch.where(mean > 0, mean, 1.0)  # without any curvature, a penalty is as good as another
        shape = (curvature / mean).clamp(min=FLOOR)
        neighbours = exchange.reduce(torch.ones_like(facts.weight), "sum", empty=0.0)
        degree = neighbours.clamp(min=1)
        known = known_at_node(facts, degree, shape)
        root = (mean / degree).sqrt() * shape ** (0.5 * torch.sigmoid(self.power(known)))
        linear = known @ (SKIP_RATE * self.first_linear.weight.t()) + self.first_linear.bias
        first = linear + self.first_outer(torch.tanh(self.first_inner(known)))
        flat = (facts.added_curvature > 0).to(root)
        told = torch.cat([root, flat, degree.log10(), first], dim=1)
        (ends,) = exchange.neighbours(numbers=told, setup=True)
        unit = ends.own[:, :-3] * ends.other[:, :-3]
        frozen = ends.mean[:, -3:-2] > 0
        level = torch.where(frozen, 0.0, ends.mean[:, -1:].clamp(-LARGEST, LARGEST))
        nothing = known.new_zeros(len(known), self.numbers)
        memory = PenaltyMemory(
            unit=unit,
            own_unit=root.square(),
            curvature=mean,
            level=level,
            frozen=frozen,
            known=known,
            known_at_edges=told_at_edges(facts, Ends(ends.own[:, -2:-1], ends.other[:, -2:-1])),
            degree=degree,
            alone=neighbours == 0,
            sent=nothing,
            heard=nothing,
            node=self.node.initial_memory(known[:, :1]),
            edge=None if self.edge is None else self.edge.initial_memory(facts.weight),
        )
        graph = self.relaxation(known[:, :OF_GRAPH])
        relaxation = 0.5 + (HIGHEST_RELAXATION - 0.5) * torch.sigmoid(graph)
        return unit * level.exp(), relaxation, memory

    def weight_alone(self, memory: PenaltyMemory) -> Tensor:
        return memory.own_unit

    def message(
        self, state: LocalState, z: Tensor, subgradient: Tensor, weight: Tensor, curvature: Tensor
    ) -> tuple[Tensor, PenaltyMemory]:
        memory: PenaltyMemory = state.memory
        level = (weight / (memory.own_unit * memory.degree)).log().mean(dim=1, keepdim=True)
        bent = (curvature / memory.curvature).clamp(min=FLOOR).log()
        seen = seen_in_step(state, z, subgradient, weight, level, bent)
        sent, node = _of_rows(self.node, torch.cat([seen, memory.heard, memory.known], dim=1), memory.node)
        return sent, replace(memory, node=node, sent=sent)

    def penalties(
        self, message: Ends, iteration: int, memory: PenaltyMemory, exchange: Exchange
    ) -> tuple[Tensor, PenaltyMemory]:
        change, edge = message.mean[:, :1], memory.edge
        if self.edge is not None and edge is not None:
            features = torch.cat([message.mean, message.difference.abs(), memory.known_at_edges], dim=1)
            more, after = _of_rows(self.edge, features, edge)
            change, edge = change + more, _kept(message, edge, after)
        bound = FASTEST / (1 + (iteration / WINDOW) ** 2)
        level = (memory.level + bound * torch.tanh(change)).clamp(-LARGEST, LARGEST)
        level = message.update(memory.level, torch.where(memory.frozen, 0.0, level))
        heard = self._heard(message, memory, exchange)
        return memory.unit * level.exp(), replace(memory, level=level, edge=edge, heard=heard)

    def _heard(self, message: Ends, memory: PenaltyMemory, exchange: Exchange) -> Tensor:
        """Return the mean of what was received from neighbours, ``(N, numbers)``; the last one where nothing was."""
        # A link's row counts at both of its ends, so that a node's own numbers are among the sum, once a neighbour.
        both = message.own + message.other
        if message.arrived is None:
            total = exchange.reduce(both, "sum", empty=0.0)
            return torch.where(memory.alone, 0.0, total / memory.degree - memory.sent)
        arrived = message.arrived.to(both)
        count = exchange.reduce(arrived, "sum", empty=0.0)
        total = exchange.reduce(arrived * both, "sum", empty=0.0)
        return torch.where(count > 0, total / count.clamp(min=1) - memory.sent, memory.heard)


def _of_rows(lstm: CoordinateLSTM, features: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
    """Apply an LSTM to features of nodes or edges, ``(rows, features)`` to ``(rows, outputs)``."""
    output, memory = lstm(features.t().unsqueeze(2), memory)
    return output.squeeze(2).t(), memory


def _kept(message: Ends, before: Memory, after: Memory) -> Memory:
    """Return the memory of an edge's LSTM after a step, that of the step before where no message arrived."""
    if message.arrived is None:
        return after
    arrived = message.arrived.unsqueeze(0)  # memories are (hidden_features, R, 1)
    return torch.where(arrived, after[0], before[0]), torch.where(arrived, after[1], before[1])
