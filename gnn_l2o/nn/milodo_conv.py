"""MiLoDo as a layer of a PyTorch Geometric model."""

from __future__ import annotations

from torch import Tensor

from gnn_l2o.nn.coefficient_source import CoefficientSource
from gnn_l2o.nn.initial_state import initial_state
from gnn_l2o.nn.messages import MessageLayer, Messages, check_like
from gnn_l2o.nn.preconditioner import Preconditioner
from gnn_l2o.nn.rule import Prox, milodo_step
from gnn_l2o.nn.state import MiLoDoState


def identity(v: Tensor, step_size: Tensor) -> Tensor:
    """Return the prox of r = 0."""
    return v


class MiLoDoConv(MessageLayer):
    r"""One iteration of MiLoDo, Eqs. (22)-(24) of He et al. 2024 (arXiv:2410.01700), on any graph.

    With an accelerated preconditioner it is :func:`~gnn_l2o.nn.rule.milodo_step` with momentum; without, the paper's:

    .. math::
        z_i &= \operatorname{prox}_{r, \mathrm{Diag}(p_i)}(x_i - p_i \odot (\nabla f_i(x_i) + y_i)) \\
        y_i^+ &= y_i + \sum_{j \in \mathcal N(i)} p_{ij1} \odot (z_i - z_j) \\
        x_i^+ &= z_i - \sum_{j \in \mathcal N(i)} p_{ij2} \odot (z_i - z_j)

    Shared LSTMs emit the coefficients p coordinate by coordinate, so one layer serves graphs of any size and features
    of any dimension. The nodes agree, in the limit, on a minimizer of :math:`\sum_i f_i + r` over each connected
    component, whatever the weights. State in, state out: the layer itself keeps nothing.

    With ``recompute=False`` a step takes the coefficients of the last one, and is many times cheaper: the networks are
    not evaluated. Trained optimizers recompute in the first dozen steps only
    (``gnn_l2o.MiLoDoBlock`` does all this, from x to x; ``gnn_l2o.load_model("milodo_gnn").layer()`` is this layer with
    trained weights).

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
        super().__init__()
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
        prox: Prox = identity,
        spectral_gap: Tensor | float | None = None,
        min_eigenvalue: Tensor | float | None = None,
        batch: Tensor | None = None,
        max_step_factor: float = 1.0,
    ) -> MiLoDoState:
        r"""Return the state before the first step. The mixing weights w_ij are Metropolis weights.

        Args:
            x: the initial point, ``(N, d)``.
            edge_index: ``(2, E)``, every edge in both directions.
            gradient: grad f_i at x, ``(N, d)``.
            smoothness: L_i, a number or ``(N, 1)``.
            mean_curvature: the mean eigenvalue of the Hessian of f_i, so too; by default L_i.
            prox: (v, p) to prox_{r, Diag(p)}(v); by default r = 0.
            spectral_gap: a number or ``(N, 1)``. By default it is computed where the preconditioner has it among its
                inputs; :func:`.graph_spectrum` computes it once for a graph that is used again and again.
            min_eigenvalue: the smallest eigenvalue of the mixing matrix, so too; by default computed together with the
                spectral gap, otherwise Gershgorin's bound.
            batch: the number of the graph of each node, ``(N,)``, as in a :class:`torch_geometric.data.Batch`, to check
                that no edge joins two; the graphs are the connected components in any case.
            max_step_factor: the largest factor of a Chebyshev step-size schedule, see
                :func:`~gnn_l2o.nn.rule.milodo_step`.

        Raises:
            InputError: x and gradient are not ``(N, d)`` of real numbers in the precision of the layer, or an edge
                names no node, lacks its reverse, is given twice, is a self-loop or joins two graphs.
        """
        exchange, facts = self.facts(
            x,
            edge_index,
            smoothness=smoothness,
            mean_curvature=mean_curvature,
            spectral_gap=spectral_gap,
            min_eigenvalue=min_eigenvalue,
            batch=batch,
            needs_spectrum=getattr(self.preconditioner, "spectral_gap", False),
        )
        check_like("gradient", gradient, x)
        return initial_state(self.preconditioner, x, gradient, prox, facts, exchange, max_step_factor=max_step_factor)

    def forward(
        self,
        state: MiLoDoState,
        edge_index: Tensor,
        gradient: Tensor,
        prox: Prox = identity,
        *,
        recompute: bool = True,
    ) -> MiLoDoState:
        check_like("gradient", gradient, state.x)
        exchange = Messages.of(self, edge_index, state.x.size(0))
        return milodo_step(state, gradient, prox, self.preconditioner, exchange, recompute=recompute)

    def __repr__(self) -> str:
        if not isinstance(self.preconditioner, Preconditioner):
            return f"{type(self).__name__}({self.preconditioner!r})"
        settings = ", ".join(f"{name}={value!r}" for name, value in self.preconditioner.settings.items())
        return f"{type(self).__name__}({settings})"
