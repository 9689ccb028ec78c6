"""Many iterations of MiLoDo as one layer, from x to x."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from torch import Tensor, nn

from gnn_l2o._utils.errors import InputError
from gnn_l2o.learned.milodo import MiLoDo
from gnn_l2o.learned.model import load_model
from gnn_l2o.learned.schedule import RecomputeSchedule
from gnn_l2o.nn.coefficient_source import CoefficientSource
from gnn_l2o.nn.messages import Messages
from gnn_l2o.nn.milodo_conv import MiLoDoConv, identity
from gnn_l2o.nn.preconditioner import Preconditioner
from gnn_l2o.nn.rule import Prox, milodo_step
from gnn_l2o.nn.spectrum import Spectrum

WARMUP = 12  # as many iterations as the released optimizers recompute their coefficients in


class MiLoDoBlock(nn.Module):
    r"""So many iterations of :class:`.MiLoDoConv`, in which nodes average their features with their neighbours'.

    By default the loss of node i is :math:`f_i(x) = \tfrac12 \|x - h_i\|^2`, with h the input: without end, every node
    would arrive at the mean over its connected component; after a few iterations it has smoothed its own features by
    those of nodes nearby. The coefficients are recomputed in the first iterations and then frozen. The weights are
    trained with the model around the block; ``block.requires_grad_(False)`` leaves them as they are.

    Args:
        iterations: how many.
        preconditioner: emits the coefficients; by default that of a new :class:`.MiLoDoConv`.
        pretrained: the name or path of a trained optimizer of this rule, ``"milodo_gnn"``, in the place of a
            preconditioner: its weights, and its schedule for the coefficients.
        warmup: in how many iterations the coefficients are recomputed; by default as the optimizer does, or in 12.

    Shape:
        N nodes, E directed edges (each undirected edge twice), d coordinates.

        - **x**: ``(N, d)``
        - **edge_index**: ``(2, E)``, row 0 the sender j, row 1 the receiver i, without self-loops
        - **batch**: ``(N,)``, the graph of every node, or ``None``; graphs of a batch do not influence each other
        - **output**: ``(N, d)``

    Raises:
        InputError: there are less than 0 iterations, there is no such optimizer, or both it and a preconditioner are
            given.

    Example:
        >>> import torch
        >>> from torch_geometric.nn import GCNConv, Sequential
        >>> layers = [
        ...     (GCNConv(4, 8), "x, edge_index -> x"),
        ...     (MiLoDoBlock(20, pretrained="milodo_gnn"), "x, edge_index, batch -> x"),
        ... ]
        >>> edge_index = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])  # the path 0 - 1 - 2
        >>> Sequential("x, edge_index, batch", layers)(torch.ones(3, 4), edge_index, None).shape
        torch.Size([3, 8])
    """

    def __init__(
        self,
        iterations: int,
        *,
        preconditioner: CoefficientSource | None = None,
        pretrained: str | Path | None = None,
        warmup: int | None = None,
    ) -> None:
        super().__init__()
        if iterations < 0:
            raise InputError(f"iterations must be at least 0, got {iterations}")
        if pretrained is not None and preconditioner is not None:
            raise InputError("a block has the weights of a preconditioner or of a trained optimizer, got both")
        self.iterations, self.pretrained = iterations, pretrained
        if pretrained is None:
            optimizer = MiLoDo(MiLoDoConv(preconditioner).preconditioner, RecomputeSchedule(WARMUP))
        else:
            optimizer = _trained(pretrained)
        if warmup is not None:
            optimizer = replace(optimizer, schedule=RecomputeSchedule(warmup), architecture=None)
        self.optimizer = optimizer  # its weights are those of the layer
        self.conv = optimizer.layer()

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the weights, in float32, into a folder, which ``pretrained`` may name and ``load_model`` reads.

        Raises:
            InputError: the coefficients are from another source than a :class:`.Preconditioner`, or the folder holds
                another model.
        """
        self.optimizer.save_pretrained(folder)

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        self.conv.reset_parameters()

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        batch: Tensor | None = None,
        *,
        gradient: Callable[[Tensor], Tensor] | None = None,
        prox: Prox = identity,
        smoothness: Tensor | float = 1.0,
        spectrum: Spectrum | None = None,
    ) -> Tensor:
        """Return the iterates after all iterations.

        Args:
            x: the initial point, and h of the default losses.
            edge_index: every edge in both directions.
            batch: the graph of every node.
            gradient: of other losses, ``(N, d)`` to ``(N, d)``.
            prox: (v, p) to prox_{r, Diag(p)}(v); by default r = 0.
            smoothness: L_i of these losses, a number or ``(N, 1)``.
            spectrum: of :func:`.graph_spectrum`, for a large graph that is used again and again; by default it is
                computed where the preconditioner has it among its inputs.

        Raises:
            InputError: see :meth:`.MiLoDoConv.init`.
        """
        gradient = (lambda point: point - x) if gradient is None else gradient
        gap, smallest = (None, None) if spectrum is None else (value.to(x) for value in spectrum)
        self.conv.check(x)
        state = self.conv.init(
            x,
            edge_index,
            gradient(x).detach(),  # the unit of the features, whose derivative is infinite where it is zero
            smoothness=smoothness,
            prox=prox,
            spectral_gap=gap,
            min_eigenvalue=smallest,
            batch=batch,
            max_step_factor=max(self.optimizer.step_factors),
        )
        exchange = Messages.of(self.conv, edge_index, x.size(0))  # once, not in every iteration
        for k in range(self.iterations):
            state = milodo_step(
                state,
                gradient(state.extrapolated),
                prox,
                self.conv.preconditioner,
                exchange,
                recompute=self.optimizer.schedule.due(k),
                restart=self.optimizer.restart,
                step_factor=self.optimizer.step_factors[k % len(self.optimizer.step_factors)],
            )
        return state.x

    def __repr__(self) -> str:
        weights = repr(self.conv) if self.pretrained is None else f"pretrained={str(self.pretrained)!r}"
        return f"{type(self).__name__}({self.iterations}, {weights})"


def _trained(name: str | Path) -> MiLoDo:
    optimizer = load_model(name)
    if not isinstance(optimizer, MiLoDo) or not isinstance(optimizer.source, Preconditioner):
        raise InputError(f"{name} is no optimizer of the rule with gradients; expected one such as milodo_gnn")
    return optimizer
