"""MiLoDo as a layer of a PyTorch Geometric model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.nn import MessagePassing
from torch_geometric.utils import degree, scatter

from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.network import reverse_edges
from gnn_l2o.nn.preconditioner import Preconditioner
from gnn_l2o.nn.rule import GraphFacts, MiLoDoState, milodo_step


def _identity(v: Tensor, step: Tensor) -> Tensor:
    return v


class MiLoDoConv(MessagePassing):
    r"""One iteration of MiLoDo, Eqs. (22)-(24) of He et al. 2024 (arXiv:2410.01700), on any graph.

    With an accelerated preconditioner it is :func:`~gnn_l2o.nn.rule.milodo_step` with momentum; without, the paper's:

    .. math::
        z_i &= \operatorname{prox}_{r, \mathrm{Diag}(p_i)}(x_i - p_i \odot (\nabla f_i(x_i) + y_i)) \\
        y_i^+ &= y_i + \sum_{j \in \mathcal N(i)} p_{ij1} \odot (z_i - z_j) \\
        x_i^+ &= z_i - \sum_{j \in \mathcal N(i)} p_{ij2} \odot (z_i - z_j)

    The gains p are emitted by shared LSTMs that see every coordinate by itself, so one layer serves graphs of any size
    and features of any dimension. The nodes agree, in the limit, on a minimizer of :math:`\sum_i f_i + r` over each
    connected component, whatever the weights. State in, state out: the layer itself keeps nothing.

    Args:
        preconditioner: emits the gains; by default a new one, not told the spectral gap, that starts with
            constants which suit most graphs.

    Shape:
        N nodes, E directed edges (each undirected edge twice), d coordinates.

        - **x**, **gradient**: ``(N, d)``; a step takes the gradient at ``state.extrapolated``, which is ``state.x`` unless the
          preconditioner is accelerated
        - **edge_index**: ``(2, E)``, row 0 the sender j, row 1 the receiver i, without self-loops
        - **output**: a :class:`~gnn_l2o.nn.rule.MiLoDoState`; its ``x`` is ``(N, d)``

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

    def __init__(self, preconditioner: Preconditioner | None = None) -> None:
        super().__init__(aggr="sum")
        if preconditioner is None:
            preconditioner = Preconditioner(spectral_gap=False)
            preconditioner.emit(step=0.4, dual=0.5, primal=0.98)
        self.preconditioner = preconditioner

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        super().reset_parameters()
        self.preconditioner.reset_parameters()

    def init(
        self,
        x: Tensor,
        edge_index: Tensor,
        gradient: Tensor,
        *,
        smoothness: Tensor | float = 1.0,
        mean_curvature: Tensor | float | None = None,
        pull: Tensor | float = 0.0,
        gap: Tensor | float | None = None,
        least: Tensor | None = None,
        batch: Tensor | None = None,
    ) -> MiLoDoState:
        r"""Return the state before the first step. Metropolis weights are taken as w_ij.

        Args:
            x: the first iterates, ``(N, d)``.
            edge_index: ``(2, E)``, every edge in both directions.
            gradient: grad f_i at x, ``(N, d)``.
            smoothness: L_i, a number or ``(N, 1)``.
            mean_curvature: the mean eigenvalue of the Hessian of f_i, so too; by default L_i.
            pull: the share of the first step that the prox takes back, so too; 0 without a regularizer.
            gap: the spectral gap, a number or ``(N, 1)``; only for a preconditioner that was built to see it.
            least: the least eigenvalue of the mixing matrix, a scalar or ``(N, 1)``; by default Gershgorin's bound.
            batch: the number of the graph of each node, ``(N,)``, as in a :class:`torch_geometric.data.Batch`; by
                default all nodes are one graph's.

        Raises:
            InputError: an edge lacks its reverse or is a self-loop or joins two graphs, or the gap is missing.
        """
        if gap is None and self.preconditioner.node.spectral_gap:
            raise InputError("this layer's preconditioner sees the spectral gap; expected gap=..., got none")
        if (edge_index[0] == edge_index[1]).any():
            raise InputError("edge_index has self-loops; expected none (torch_geometric.utils.remove_self_loops)")
        reverse_edges(edge_index, x.size(0))
        j, i = edge_index
        graph = edge_index.new_zeros(x.size(0)) if batch is None else batch
        if (graph[i] != graph[j]).any():
            raise InputError(
                "edge_index joins nodes of different graphs; expected batch to number the graph of each node"
            )
        neighbours = degree(i, x.size(0), dtype=x.dtype).unsqueeze(1)
        weight = 1 / (1 + torch.maximum(neighbours[i], neighbours[j]))
        column = x.new_ones(x.size(0), 1)
        self_weight = 1 - torch.zeros_like(column).index_add(0, i, weight)
        kept = scatter(self_weight, graph, dim=0, reduce="min").index_select(0, graph)
        context = GraphFacts(
            smoothness=column * smoothness,
            mean_curvature=column * (smoothness if mean_curvature is None else mean_curvature),
            nodes=degree(graph, dtype=x.dtype).index_select(0, graph).unsqueeze(1),
            pull=column * pull,
            self_weight=self_weight,
            spectral_gap=column * (0.0 if gap is None else gap),
            min_eigenvalue=column * (2 * kept - 1 if least is None else least).clamp(max=0),
            graph=graph,
            ends=edge_index.flip(0),
            weight=weight,
            momentum_bound=self.preconditioner.momentum_bound,
            directed=True,
        )
        return MiLoDoState.first(x, gradient, self.preconditioner.init_memory(x, gradient, context), context)

    def forward(
        self,
        state: MiLoDoState,
        edge_index: Tensor,
        gradient: Tensor,
        prox: Callable[[Tensor, Tensor], Tensor] = _identity,
        *,
        refresh: bool = True,
    ) -> MiLoDoState:
        exchange = _Messages(self, edge_index, num_nodes=state.x.size(0))
        return milodo_step(state, gradient, prox, self.preconditioner, exchange, refresh=refresh)

    def differences(self, z: Tensor, edge_index: Tensor) -> Tensor:
        """Return z_i - z_j of every edge: ``(N, d)`` to ``(E, d)``."""
        return self.edge_updater(edge_index, z=z)

    def deliver(self, update: Tensor, edge_index: Tensor, num_nodes: int) -> Tensor:
        """Sum the updates that arrive at every node: ``(E, d)`` to ``(N, d)``."""
        return self.propagate(edge_index, update=update, size=(num_nodes, num_nodes))

    def edge_update(self, z_i: Tensor, z_j: Tensor) -> Tensor:
        return z_i - z_j

    def message(self, update: Tensor) -> Tensor:
        return update

    def __repr__(self) -> str:
        node, edge = self.preconditioner.node, self.preconditioner.edge
        return (
            f"{type(self).__name__}({node.lstm.hidden_features}, parametrization={node.parametrization!r}, "
            f"symmetrize={edge.symmetrize!r}, spectral_gap={node.spectral_gap})"
        )


@dataclass(frozen=True)
class _Messages:
    """The messages of a :class:`MiLoDoConv` on one graph, as the :class:`~gnn_l2o.nn.rule.Exchange` of the rule."""

    conv: MiLoDoConv
    edge_index: Tensor
    num_nodes: int

    def differences(self, z: Tensor) -> Tensor:
        return self.conv.differences(z, self.edge_index)

    def collect(self, message: Tensor) -> Tensor:
        return self.conv.deliver(message, self.edge_index, self.num_nodes)

    def swap(self, value: Tensor) -> Tensor:
        return value.index_select(0, reverse_edges(self.edge_index, self.num_nodes))

    def operator(self, *weights: Tensor) -> None:
        return None

    def flows(self, operator: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        return tuple(torch.split(operator @ z, self.num_nodes))
