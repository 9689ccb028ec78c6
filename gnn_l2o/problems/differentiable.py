"""Losses that any differentiable function defines."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import torch
from torch import Tensor
from torch.func import grad, jacrev, jvp

from gnn_l2o._utils.errors import InputError
from gnn_l2o.problems.finite_sum import cast, shape_of
from gnn_l2o.problems.holders import Holders
from gnn_l2o.problems.layout import Layout
from gnn_l2o.problems.local_solve.proximal_newton import KeptModel, proximal_newton
from gnn_l2o.problems.node_data import Group, NodeData, as_node_data, as_tensor, described, grouped
from gnn_l2o.problems.problem import Problem
from gnn_l2o.problems.regularizer import Regularizer
from gnn_l2o.problems.regularizers import Zero

Function = Callable[..., Tensor]
"""The loss of one node: called with x and the node's data, it returns a number."""

DENSE = 10**7  # entries of all Hessians together up to which they are computed: 80 MB
_POWER_ITERATIONS = 20


@dataclass(frozen=True, eq=False, kw_only=True)
class Differentiable(Problem):
    r"""Losses :math:`f_i(x) = f(x, D_i)` of any differentiable function f, with the data :math:`D_i` of node i.

    :meth:`from_nodes` builds one. Nodes whose data has equal shapes are evaluated at once, by ``torch.vmap``.

    Convexity is not assumed, nor checked, and smoothness constants are estimates. Up to 10 million entries of all
    Hessians together local solves are by Newton's method (:func:`.proximal_newton`), else by prox-gradient steps.

    Attributes:
        function: f; called with x in the form of ``layout`` and the arguments of a node.
        data: :math:`D_i`, for every node its arguments.
        initial: ``(N, d)``, the initial point of every node.
        layout: the arrays that x consists of.
        groups: the nodes whose data has equal shapes.
        newton_model: what local solves keep from one to the next.
    """

    function: Function
    data: tuple[NodeData, ...]
    initial: Tensor
    layout: Layout
    groups: tuple[Group, ...] = field(init=False, repr=False)
    newton_model: KeptModel = field(init=False, default_factory=KeptModel, repr=False)

    def __post_init__(self) -> None:
        # Computed here: a value cached while torch.func transforms a loss cannot be used afterwards.
        object.__setattr__(self, "groups", grouped(self.data))

    @classmethod
    def from_nodes(
        cls,
        function: Function,
        data: Iterable[Any],
        *,
        x0: Any = None,
        regularizer: Regularizer | None = None,
    ) -> Self:
        """Return one problem, in float64, from a function and the data of every node.

        Args:
            function: f, of x and the arguments of one node; returns a number.
            data: for every node a tuple of its arguments, or its only argument: tensors, arrays of numpy or
                scipy.sparse (which become dense), or numbers. Whole numbers, such as classes, keep their type.
            x0: the initial point of all nodes, an array of any shape or a dictionary of arrays; by default zero, with
                as many coordinates as the first argument of a node has columns.
            regularizer: r, of all coordinates in one row; by default none.

        Raises:
            InputError: an argument is not as described; f fails, returns no number, or has no derivatives at ``x0``.
        """
        if not callable(function):
            raise InputError(f"f must be a function of x and the data of a node, got {function!r}")
        if not isinstance(regularizer, Regularizer | None):
            raise InputError(f"the regularizer is an object such as gnn_l2o.problems.L1(0.1), got {regularizer!r}")
        nodes = as_node_data(data)
        start = _start(x0, nodes[0])
        layout = Layout.of(start)
        problem = cls(
            regularizer=Zero() if regularizer is None else regularizer,
            batch=torch.zeros(len(nodes), dtype=torch.long),
            function=function,
            data=nodes,
            initial=layout.flatten(start).repeat(len(nodes), 1),
            layout=layout,
        )
        problem._check()
        return problem

    def _check(self) -> None:
        """Evaluate f and its derivatives at the initial point.

        Raises:
            InputError: that fails, or the values are not finite.
        """
        for group in self.groups:
            self._try(group)
        values = (
            ("f", self.loss(self.initial)),
            ("the gradient of f", self.local_gradient(self.initial)),
            ("the Hessian of f", self._curvature_at(self.initial)),
        )
        for name, value in values:
            bad = (~value.isfinite().all(dim=1)).nonzero()
            if bad.numel():
                raise InputError(f"{name} is not finite at x0 with the data of node {int(bad[0])}; expected another x0")

    def _try(self, group: Group) -> None:
        """Call f with the data of the first node of a group, and its gradient with those of all."""
        node = int(group.rows[0])
        x, arguments = self.layout.unflatten(self.initial[node]), self.data[node]
        try:
            value = self.function(x, *arguments)
            if isinstance(value, Tensor) and value.shape == ():
                torch.vmap(grad(self._flat))(self.initial[group.rows], *group.data)
        except Exception as error:  # a user's function may raise anything
            shown = shape_of(x) if isinstance(x, Tensor) else ", ".join(f"{k} {shape_of(v)}" for k, v in x.items())
            whole = any(not a.is_floating_point() for a in arguments)
            line = " ".join(str(error).split())[:300]
            raise InputError(
                f"f(x, *data) cannot be evaluated at x0 {shown} with the data of node {node}, {described(arguments)}: "
                f"{type(error).__name__}: {line}"
                + ("; whole numbers keep their type, .astype(float) makes them real" if whole else "")
            ) from error
        if not isinstance(value, Tensor):
            raise InputError(f"f must return a tensor with one number, got {type(value).__name__}")
        if value.shape != ():
            raise InputError(f"f must return one number, such as a mean over the node's samples; got {shape_of(value)}")

    @property
    def dim(self) -> int:
        return self.layout.dim

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return self.layout.shapes

    @property
    def form(self) -> Hashable:
        return super().form, id(self.function), self.layout

    def initial_point(self) -> Tensor:
        return self.initial

    def loss(self, x: Tensor) -> Tensor:
        return self._at_nodes(self._flat, x).unsqueeze(1)

    def local_gradient(self, x: Tensor) -> Tensor:
        return self._at_nodes(grad(self._flat), x)

    def hessians(self, x: Tensor) -> Tensor:
        """Return the Hessian of f_i at x_i for every node: ``(N, d)`` to ``(N, d, d)``."""
        # Reverse over reverse mode: for a loss over samples 5 to 20 times as fast as torch.func.hessian.
        return self._at_nodes(jacrev(grad(self._flat)), x)

    @property
    def is_small(self) -> bool:
        """Whether the Hessians of all nodes are computed as matrices."""
        return self.num_nodes * self.dim**2 <= DENSE

    def _flat(self, row: Tensor, *data: Tensor) -> Tensor:
        """Return f of a row of coordinates, ``(d,)``, and a node's data."""
        return self.function(self.layout.unflatten(row), *data)

    def _at_nodes(self, function: Function, x: Tensor) -> Tensor:
        """Return what a function of a row and a node's data returns for every node, ``(N, ...)``."""
        parts = [torch.vmap(function)(x.index_select(0, group.rows), *group.data) for group in self.groups]
        if len(parts) == 1:
            return parts[0]
        return torch.cat(parts).index_select(0, torch.cat([group.rows for group in self.groups]).argsort())

    def smoothness(self) -> Tensor:
        r"""Return an estimate of L_i: ``(N, 1)``.

        It is the larger of the largest magnitudes of an eigenvalue of :math:`\nabla^2 f_i`, at the initial point and
        after one prox-gradient step from there. Elsewhere the curvature may be larger.
        """
        return self._smoothness

    @cached_property
    def _smoothness(self) -> Tensor:
        x = self.initial
        first = self._curvature_at(x)
        there = self.node_regularizer.prox(x - self.local_gradient(x) / first, 1 / first)
        second = self._curvature_at(there)
        return torch.where(second.isfinite(), torch.maximum(first, second), first)

    def _curvature_at(self, x: Tensor) -> Tensor:
        """Return the largest magnitude of an eigenvalue of every node's Hessian, or an estimate from below: ``(N, 1)``.

        Where the Hessian vanishes, it is the curvature with which a gradient step moves x by its own norm, at least by
        1; and 1 where the gradient vanishes too.
        """
        if self.is_small:
            hessians = self.hessians(x)
            finite = hessians.isfinite().all(dim=(1, 2), keepdim=True)
            largest = torch.linalg.eigvalsh(torch.where(finite, hessians, 0.0)).abs().amax(dim=1, keepdim=True)
            largest = torch.where(finite.squeeze(2), largest, torch.nan)
        else:
            largest = self._power_iteration(x)
        slope = _norm(self.local_gradient(x)) / _norm(x).clamp(min=1)
        flat = largest <= torch.finfo(x.dtype).eps * slope
        return torch.where(flat, torch.where(slope > 0, slope, 1.0), largest)

    def _power_iteration(self, x: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        product = torch.randn(1, self.dim, generator=generator, dtype=x.dtype).to(x).expand_as(x)
        for _ in range(_POWER_ITERATIONS):
            direction = product / _norm(product).clamp(min=torch.finfo(x.dtype).tiny)
            product = jvp(self.local_gradient, (x,), (direction,))[1]
        return _norm(product)

    def hessian_diagonal(self, x: Tensor) -> Tensor:
        if not self.is_small:
            return super().hessian_diagonal(x)
        self.calls.solve_gradients += self.dim
        return self.hessians(x).diagonal(dim1=1, dim2=2)

    def curvature_at(self, x: Tensor) -> Tensor:
        return self.hessian_diagonal(x).mean(dim=1, keepdim=True) if self.is_small else super().curvature_at(x)

    def uncounted_local_solve(
        self, center: Tensor, weight: Tensor, start: Tensor, *, steps: int | None, tolerance: float
    ) -> Tensor:
        if steps is not None or not self.is_small:
            return super().uncounted_local_solve(center, weight, start, steps=steps, tolerance=tolerance)
        return proximal_newton(self, center, weight, start, tolerance=tolerance)

    def hessian_solve(self, x: Tensor, right: Tensor, metric: Tensor) -> Tensor:
        if not self.is_small:
            return super().hessian_solve(x, right, metric)
        self.calls.solve_gradients += self.dim
        # In the unknown u of v = sqrt(D) u the matrix is I + sqrt(D) H sqrt(D), and coordinates with D = 0 stay zero.
        root = metric.sqrt()
        matrix = root.unsqueeze(2) * self.hessians(x) * root.unsqueeze(1) + torch.eye(self.dim).to(x)
        return root * torch.linalg.solve(matrix, root * right)

    @classmethod
    def concatenate(cls, problems: Sequence[Self]) -> Self:
        first = problems[0]
        if any(p.function is not first.function or p.layout != first.layout for p in problems):
            raise InputError("problems of different functions, or with x of different shapes, cannot be joined")
        numbers = [p.num_problems for p in problems]
        before = [sum(numbers[:k]) for k in range(len(numbers))]
        return dataclasses.replace(
            first,
            regularizer=Regularizer.concatenate([p.regularizer for p in problems], numbers).to(
                dtype=first.initial.dtype
            ),
            batch=torch.cat([p.batch + k for p, k in zip(problems, before, strict=True)]),
            data=tuple(arguments for p in problems for arguments in p.data),
            initial=torch.cat([p.initial for p in problems]),
        )

    def repeat(self, copies: int) -> Self:
        return type(self).concatenate([self] * copies)

    def part(self, holders: Holders) -> Self:
        return dataclasses.replace(
            self,
            batch=self.batch[holders.nodes],
            data=tuple(self.data[node] for node in holders.nodes.tolist()),
            initial=self.initial[holders.nodes],
            holders=holders,
        )

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Self:
        return dataclasses.replace(
            self,
            regularizer=self.regularizer.to(device, dtype),
            batch=self.batch.to(device),
            data=tuple(tuple(cast(a, device, dtype) for a in arguments) for arguments in self.data),
            initial=self.initial.to(device, dtype),
        )


def _start(x0: Any, arguments: NodeData) -> Tensor | dict[str, Tensor]:
    """Return the initial point as tensors."""
    if isinstance(x0, Mapping):
        return {str(name): as_tensor(f"x0[{name!r}]", value).double() for name, value in x0.items()}
    if x0 is not None:
        return as_tensor("x0", x0).double()
    if not arguments or not arguments[0].dim():
        raise InputError("x0 is missing; it has a default only where the first argument of a node is an array")
    return torch.zeros(arguments[0].size(-1), dtype=torch.float64)


def _norm(v: Tensor) -> Tensor:
    return torch.linalg.vector_norm(v, dim=1, keepdim=True)
