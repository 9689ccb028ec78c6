"""Min-max problems: every node minimizes its payoff over one part of x and maximizes it over the other."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import torch
from torch import Tensor
from torch.func import grad

from gnn_l2o._utils.errors import InputError
from gnn_l2o.problems.differentiable import Differentiable, Function
from gnn_l2o.problems.layout import Layout
from gnn_l2o.problems.regularizer import Regularizer
from gnn_l2o.problems.regularizers import Zero

MINIMIZED, MAXIMIZED = "u", "v"


@dataclass(frozen=True, eq=False, kw_only=True)
class MinMax(Differentiable):
    r"""Find a saddle point of :math:`F(u, v) = \frac1N \sum_i F_i(u, v)`, minimal over u and maximal over v.

    x stacks u and v (:attr:`shapes` has the two), and what stands for a gradient is the field

    .. math:: G_i(x) = \bigl(\nabla_u F_i(u, v), -\nabla_v F_i(u, v)\bigr)

    whose mean G is 0 at a saddle point. There is nothing to minimize: the value of F is no measure, in its place stands
    the residual :math:`\|G(x)\|`. So :meth:`objective` is the residual, its lower bound 0 stands for :math:`F^*`, and
    the relative optimality gap of all measurements is :math:`\|G(\bar x)\| / \|G(x^0)\|`. The smoothness constants
    bound the Lipschitz constants of the G_i, as the Jacobian of G_i is the Hessian of F_i with the rows of v negated.

    :meth:`from_nodes` builds one problem from a function of a dictionary of ``"u"`` and ``"v"`` and the data of a node.
    """

    @classmethod
    def from_nodes(
        cls,
        function: Function,
        data: Iterable[Any],
        *,
        x0: Any = None,
        regularizer: Regularizer | None = None,
    ) -> Self:
        """Return one problem, see :meth:`.Differentiable.from_nodes`.

        Args:
            function: F_i, of ``{"u": ..., "v": ...}`` and the arguments of one node; returns a number.
            data: for every node its arguments.
            x0: ``{"u": ..., "v": ...}``, the initial point of all nodes.
            regularizer: none.

        Raises:
            InputError: see there; or x0 has other arrays, or there is a regularizer.
        """
        if not isinstance(x0, dict) or list(x0) != [MINIMIZED, MAXIMIZED]:
            raise InputError(f"x0 of a min-max problem is {{'u': array, 'v': array}}, got {x0!r:.80}")
        if not isinstance(regularizer, Zero | None):
            raise InputError(f"a min-max problem has no regularizer, got {regularizer}")
        return super().from_nodes(function, data, x0=x0, regularizer=regularizer)

    @property
    def maximized(self) -> Tensor:
        return _maximized(self.layout).to(self.batch.device)

    def local_gradient(self, x: Tensor) -> Tensor:
        """Return the field G_i(x_i) of every node: ``(N, d)`` to ``(N, d)``."""
        slope = self._at_nodes(grad(self._flat), x)
        return torch.where(self.maximized, -slope, slope)

    def payoff(self, x: Tensor) -> Tensor:
        """Return F(u, v) of every problem: ``(B, d)`` to ``(B,)``."""
        return self.average(self.loss(self.spread(x))).squeeze(1)

    def objective(self, x: Tensor) -> Tensor:
        r"""Return the residual :math:`\|G(x)\|` of every problem: ``(B, d)`` to ``(B,)``."""
        return self.average(self.local_gradient(self.spread(x))).norm(dim=1)

    def objective_at_nodes(self, x: Tensor) -> Tensor:
        """Refuse: of a min-max problem only the average of the nodes is measured.

        Raises:
            InputError: always.
        """
        raise InputError("the residual of a min-max problem is measured at the average of the nodes, not at each node")

    def lower_bound(self) -> Tensor:
        """Return 0, below which no residual is: ``(B,)``."""
        return torch.zeros(self.num_problems, dtype=self.initial.dtype, device=self.batch.device)

    @abstractmethod
    def saddle_distance(self, x: Tensor) -> Tensor:
        """Return the distance of x from the nearest saddle point: ``(B, d)`` to ``(B,)``."""


@dataclass(frozen=True, eq=False, kw_only=True)
class QuadraticMinMax(MinMax):
    """A min-max problem of payoffs that are quadratic, without linear terms: 0 is a saddle point.

    So the field of a node is its constant Hessian, up to the signs of rows, times x. Where the Hessian of F is
    singular, as for a matrix game with a singular matrix, all points of its null space are saddle points; distances are
    those from this space.
    """

    def local_gradient(self, x: Tensor) -> Tensor:
        # Twenty times as fast as automatic differentiation of a few coordinates.
        slope = (self._hessians @ x.unsqueeze(2)).squeeze(2)
        return torch.where(self.maximized, -slope, slope)

    def saddle_distance(self, x: Tensor) -> Tensor:
        values, directions = self._curved
        across = values > values[:, :1] * x.size(1) * torch.finfo(values.dtype).eps
        return torch.where(across, (directions @ x.unsqueeze(2)).squeeze(2), 0.0).norm(dim=1)

    @cached_property
    def _curved(self) -> tuple[Tensor, Tensor]:
        """Singular values and right singular vectors, as rows, of the Hessian of F: ``(B, d)`` and ``(B, d, d)``."""
        hessians = self.average(self._hessians.flatten(1)).reshape(-1, self.dim, self.dim)
        _, values, directions = torch.linalg.svd(hessians)
        return values, directions

    @cached_property
    def _hessians(self) -> Tensor:
        """The Hessians of the F_i, ``(N, d, d)``."""
        return self.hessians(self.initial)


def _maximized(layout: Layout) -> Tensor:
    """Return which coordinates are those of v, ``(d,)``, boolean."""
    rows = [torch.full(shape, name == MAXIMIZED) for name, shape in zip(layout.names or (), layout.shapes, strict=True)]
    return torch.cat([row.flatten() for row in rows])
