"""What nodes and edges know before the first iteration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class GraphFacts:
    r"""The set-up knowledge of MiLoDo's rule: facts of every node, its graph and its edges, constant during a run.

    Attributes:
        smoothness: :math:`L_i > 0`, a smoothness constant of f_i, ``(N, 1)``.
        mean_curvature: the mean eigenvalue of a node's Hessian at the initial point, or an estimate, ``(N, 1)``.
        added_curvature: what both contain beyond the curvature of f_i, where that is next to none, ``(N, 1)``.
        self_weight: :math:`w_{ii}`, ``(N, 1)``.
        num_nodes: the number of nodes of the node's graph, ``(N, 1)``.
        spectral_gap: the spectral gap of the node's graph, ``(N, 1)``.
        min_eigenvalue: the smallest eigenvalue :math:`\lambda_N` of its mixing matrix, a lower bound of it, or 0 if it
            is positive, ``(N, 1)``.
        weight: :math:`w_{ij}`, ``(R, 1)``.
        prox_shrinkage: the relative shrinkage of the prox in a node's first step (:func:`prox_shrinkage`), ``(N, 1)``.
        self_weight_ratio: see :func:`.stability.self_weight_ratio`, ``(N, 1)``.
        shapes: of the arrays that x is made of, as :attr:`.Problem.shapes`; ``()``: x is one vector.

    Shape:
        N nodes, R rows of edges (:class:`.Exchange`).
    """

    smoothness: Tensor
    mean_curvature: Tensor
    added_curvature: Tensor
    self_weight: Tensor
    num_nodes: Tensor
    spectral_gap: Tensor
    min_eigenvalue: Tensor
    weight: Tensor
    prox_shrinkage: Tensor
    self_weight_ratio: Tensor
    shapes: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def of(
        cls,
        *,
        smoothness: Tensor,
        mean_curvature: Tensor,
        self_weight: Tensor,
        num_nodes: Tensor,
        spectral_gap: Tensor,
        min_eigenvalue: Tensor,
        weight: Tensor,
        added_curvature: Tensor | None = None,
        shapes: tuple[tuple[int, ...], ...] = (),
    ) -> GraphFacts:
        """Return facts without what follows from the stability bounds: a shrinkage of 0 and a ratio of 1.

        Without ``added_curvature`` there is none.
        """
        return cls(
            smoothness=smoothness,
            mean_curvature=mean_curvature,
            added_curvature=torch.zeros_like(smoothness) if added_curvature is None else added_curvature,
            self_weight=self_weight,
            num_nodes=num_nodes,
            spectral_gap=spectral_gap,
            min_eigenvalue=min_eigenvalue,
            weight=weight,
            prox_shrinkage=torch.zeros_like(smoothness),
            self_weight_ratio=torch.ones_like(smoothness),
            shapes=shapes,
        )


def prox_shrinkage(x: Tensor, gradient: Tensor, step_size: Tensor, prox: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    r"""Return the relative shrinkage of the prox in a node's first step, ``(N, 1)``.

    .. math::
        \min\Bigl(1, \frac{\|v_i - \operatorname{prox}_{c_i r}(v_i)\|_1}{\|c_i \nabla f_i(x_i)\|_1}\Bigr), \qquad
        v_i = x_i - c_i \nabla f_i(x_i)

    It is 0 without a regularizer and 1 where the prox undoes the whole gradient step.

    Args:
        x: the initial point, ``(N, d)``.
        gradient: :math:`\nabla f_i(x_i)`, ``(N, d)``.
        step_size: :math:`c_i`, ``(N, 1)``.
        prox: (v, p) to prox_{r, Diag(p)}(v).
    """
    move = step_size * gradient
    shrunk = x - move - prox(x - move, step_size)
    tiny = torch.finfo(move.dtype).tiny
    ratio = shrunk.abs().sum(dim=1, keepdim=True) / (move.abs().sum(dim=1, keepdim=True) + tiny)
    return ratio.clamp(max=1)
