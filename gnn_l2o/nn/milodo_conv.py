"""MiLoDo as a layer of a PyTorch Geometric model."""

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
from gnn_l2o.nn.coefficient_source import CoefficientSource
from gnn_l2o.nn.facts import GraphFacts
from gnn_l2o.nn.initial_state import initial_state
from gnn_l2o.nn.preconditioner import Preconditioner
from gnn_l2o.nn.rule import Prox, milodo_step
from gnn_l2o.nn.state import MiLoDoState


def _identity(v: Tensor, step_size: Tensor) -> Tensor:
    return v


class MiLoDoConv(MessagePassing):
    r"""One iteration of MiLoDo, Eqs. (22)-(24) of He et al. 2024 (arXiv:2410.01700), on any graph.

    With an accelerated preconditioner it is :func:`~gnn_l2o.nn.rule.milodo_step` with momentum; without, the paper's:

    .. math::
        z_i &= \operatorname{prox}_{r, \mathrm{Diag}(p_i)}(x_i - p_i \odot (\nabla f_i(x_i) + y_i)) \\
        y_i^+ &= y_i + \sum_{j \in \mathcal N(i)} p_{ij1} \odot (z_i - z_j) \\
        x_i^+ &= z_i - \sum_{j \in \mathcal N(i)} p_{ij2} \odot (z_i - z_j)

    Shared LSTMs emit the coefficients p coordinate by coordinate, so one layer serves graphs of any size and features
    of any dimension. The nodes agree, in the limit, on a minimizer of :math:`\sum_i f_i + r` over each connected
    component, whatever the weights. State in, state out: the layer itself keeps nothing.

    Args:
        preconditioner: emits the coefficients, such as a :class:`Preconditioner`; by default a new one, whose inputs
            do not include the spectral gap, with constants that suit most graphs.

    Shape:
        N nodes, E directed edges (each undirected edge twice), d coordinates.

        - **x**, **gradient**: ``(N, d)``; a step takes the gradient at ``state.extrapolated``, which is ``state.x``
          unless the preconditioner is accelerated
        - **edge_index**: ``(2, E)``, row 0 the sender j, row 1 the receiver i, without self-loops
        - **output**: a :class:`~gnn_l2o.nn.state.MiLoDoState`; its ``x`` is ``(N, d)``

    Example:
        >>> import torch
        >>> own = torch.tensor([[0.0], [1.0], [5.0]])  # f_i(x) = (x - own_i)^2 / 2, minimal together at the mean, 2
        >>> edge_index = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])  # the path 0 - 1 - 2
        >>> conv = MiLoDoConv()
        >>> state = conv.init(own, edge_index, gradient=torch.zeros_like(own))
        >>> with torch.no_grad():
        ...     for _ in range(400):
        ...         state = conv(state, edge_index, gradient=state.extrapolated - own)
        >>> state.x.squeeze()
        tensor([2.0000, 2.0000, 2.0000])
    """

    def __init__(self, preconditioner: CoefficientSource | None = None) -> None:
        super().__init__(aggr="sum")
        if preconditioner is None:
            preconditioner = Preconditioner(spectral_gap=False)
            preconditioner.emit(step=0.4, dual=0.5, mixing=0.98)
        self.preconditioner = preconditioner

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        super().reset_parameters()
        if isinstance(self.preconditioner, Preconditioner):
            self.preconditioner.reset_parameters()

    def init(
        self,
        x: Tensor,
        edge_index: Tensor,
        gradient: Tensor,
        *,
        smoothness: Tensor | float = 1.0,
        mean_curvature: Tensor | float | None = None,
        prox: Prox = _identity,
        spectral_gap: Tensor | float | None = None,
        min_eigenvalue: Tensor | float | None = None,
        batch: Tensor | None = None,
    ) -> MiLoDoState:
        r"""Return the state before the first step. The mixing weights w_ij are Metropolis weights.

        Args:
            x: the initial point, ``(N, d)``.
            edge_index: ``(2, E)``, every edge in both directions.
            gradient: grad f_i at x, ``(N, d)``.
            smoothness: L_i, a number or ``(N, 1)``.
            mean_curvature: the mean eigenvalue of the Hessian of f_i, so too; by default L_i.
            prox: (v, p) to prox_{r, Diag(p)}(v); by default r = 0.
            spectral_gap: a number or ``(N, 1)``; only for a preconditioner whose inputs include it.
            min_eigenvalue: the smallest eigenvalue of the mixing matrix, so too; by default Gershgorin's bound.
            batch: the number of the graph of each node, ``(N,)``, as in a :class:`torch_geometric.data.Batch`; by
                default all nodes belong to one graph.

        Raises:
            InputError: an edge lacks its reverse, is given twice, is a self-loop or joins two graphs, or the spectral
                gap is not given.
        """
        if spectral_gap is None and getattr(self.preconditioner, "spectral_gap", False):
            raise InputError(
                "this layer's preconditioner has the spectral gap among its inputs; expected spectral_gap=..."
            )
        exchange = _Messages.of(self, edge_index, x.size(0), batch)
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
        return initial_state(self.preconditioner, x, gradient, prox, facts, exchange)

    def forward(
        self,
        state: MiLoDoState,
        edge_index: Tensor,
        gradient: Tensor,
        prox: Prox = _identity,
        *,
        recompute: bool = True,
    ) -> MiLoDoState:
        exchange = _Messages.of(self, edge_index, state.x.size(0))
        return milodo_step(state, gradient, prox, self.preconditioner, exchange, recompute=recompute)

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

    def __repr__(self) -> str:
        if not isinstance(self.preconditioner, Preconditioner):
            return f"{type(self).__name__}({self.preconditioner!r})"
        node, edge = self.preconditioner.node, self.preconditioner.edge
        return (
            f"{type(self).__name__}({node.lstm.hidden_features}, parametrization={node.parametrization!r}, "
            f"symmetrize={edge.symmetrize!r}, spectral_gap={node.spectral_gap})"
        )


@dataclass(frozen=True)
class _Messages:
    """The messages of a :class:`MiLoDoConv` on one graph or a batch, as the :class:`.Exchange` of the rule.

    Attributes:
        conv: passes the messages.
        edge_index: ``(2, E)``.
        reverse: see :func:`.reverse_edges`.
        graph: the number of every node's graph, ``(N,)``.
    """

    conv: MiLoDoConv
    edge_index: Tensor
    reverse: Tensor
    graph: Tensor

    @classmethod
    def of(cls, conv: MiLoDoConv, edge_index: Tensor, num_nodes: int, batch: Tensor | None = None) -> _Messages:
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
