"""The rule with local solves as a layer of a PyTorch Geometric model."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from gnn_l2o.nn.local_rule import Curvature, LocalSolve, initial_local_state, local_step
from gnn_l2o.nn.local_state import LocalState
from gnn_l2o.nn.messages import MessageLayer, Messages
from gnn_l2o.nn.penalty_network import PenaltyNetwork
from gnn_l2o.nn.penalty_source import PenaltySource


class LocalMiLoDoConv(MessageLayer):
    r"""One iteration of :func:`~gnn_l2o.nn.local_rule.local_step` on any graph: the caller solves, the layer couples.

    The nodes agree, in the limit, on a minimizer of :math:`\sum_i f_i` over each connected component, for all convex
    f_i and whatever the weights. State in, state out: the layer itself keeps nothing. Penalties are recomputed in steps
    with ``curvature`` (:func:`~gnn_l2o.nn.local_rule.local_step`), in the others they are those of the last step.
    ``gnn_l2o.load_model("milodo_local").layer()`` is this layer with trained weights.

    Args:
        source: emits the penalties; by default a new :class:`.PenaltyNetwork`, whose penalties are constants at first.

    Shape:
        N nodes, E directed edges (each undirected edge twice), d coordinates.

        - **x**: ``(N, d)``
        - **edge_index**: ``(2, E)``, row 0 the sender j, row 1 the receiver i, without self-loops
        - **solve**: (c, w, start) to :math:`\arg\min_x f_i(x) + \tfrac12 \|x - c_i\|^2_{\mathrm{Diag}(w_i)}`; c and
          start ``(N, d)``, w so or ``(N, 1)``
        - **output**: a :class:`~gnn_l2o.nn.local_state.LocalState`; its ``x`` is ``(N, d)``

    Example:
        >>> import torch
        >>> own = torch.tensor([[0.0], [1.0], [5.0]])  # f_i(x) = (x - own_i)^2 / 2, minimal together at the mean, 2
        >>> edge_index = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])  # the path 0 - 1 - 2
        >>> conv = LocalMiLoDoConv()
        >>> state = conv.init(own, edge_index)
        >>> with torch.no_grad():
        ...     for _ in range(400):
        ...         state = conv(state, edge_index, lambda c, w, start: (own + w * c) / (1 + w))
        >>> state.x.squeeze()
        tensor([2.0000, 2.0000, 2.0000])
    """

    def __init__(self, source: PenaltySource | None = None) -> None:
        super().__init__()
        self.source = PenaltyNetwork() if source is None else source

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        super().reset_parameters()
        if isinstance(self.source, PenaltyNetwork):
            self.source.reset_parameters()

    def init(
        self,
        x: Tensor,
        edge_index: Tensor,
        *,
        smoothness: Tensor | float = 1.0,
        curvature: Tensor | float | None = None,
        spectral_gap: Tensor | float | None = None,
        min_eigenvalue: Tensor | float | None = None,
        shrinkage: Tensor | float = 0.0,
        batch: Tensor | None = None,
    ) -> LocalState:
        r"""Return the state before the first step.

        Args:
            x: the initial point, ``(N, d)``.
            edge_index: ``(2, E)``, every edge in both directions.
            smoothness: L_i, a number or ``(N, 1)``.
            curvature: the diagonal of the Hessian of f_i, ``(N, d)``, or its mean, a number or ``(N, 1)``; by default
                L_i.
            spectral_gap: of the mixing matrix with Metropolis weights, a number or ``(N, 1)``; by default it is
                computed. :func:`.graph_spectrum` computes it once for a graph that is used again and again.
            min_eigenvalue: its smallest eigenvalue, so too; by default computed together with the spectral gap,
                otherwise Gershgorin's bound.
            shrinkage: of a regularizer among the f_i, see :func:`.prox_shrinkage`, so too; 0 without one.
            batch: the number of the graph of each node, ``(N,)``, as in a :class:`torch_geometric.data.Batch`, to check
                that no edge joins two; the graphs are the connected components in any case.

        Raises:
            InputError: x is no ``(N, d)`` of real numbers in the precision of the layer, or an edge names no node,
                lacks its reverse, is given twice, is a self-loop or joins two graphs.
        """
        self.check(x)
        column = x.new_ones(x.size(0), 1)
        diagonal = column * (smoothness if curvature is None else curvature)
        exchange, facts = self.facts(
            x,
            edge_index,
            smoothness=smoothness,
            mean_curvature=diagonal.mean(dim=1, keepdim=True),
            spectral_gap=spectral_gap,
            min_eigenvalue=min_eigenvalue,
            batch=batch,
            needs_spectrum=True,
        )
        facts = replace(facts, prox_shrinkage=column * shrinkage)
        return initial_local_state(self.source, x, facts, diagonal, exchange)

    def forward(
        self, state: LocalState, edge_index: Tensor, solve: LocalSolve, *, curvature: Curvature | None = None
    ) -> LocalState:
        exchange = Messages.of(self, edge_index, state.x.size(0))
        return local_step(state, solve, self.source, exchange, curvature=curvature)

    def __repr__(self) -> str:
        if not isinstance(self.source, PenaltyNetwork):
            return f"{type(self).__name__}({self.source!r})"
        settings = ", ".join(f"{name}={value!r}" for name, value in self.source.settings.items())
        return f"{type(self).__name__}({settings})"
