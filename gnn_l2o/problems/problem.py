"""The base class of decentralized problems."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.problems.calls import Calls
from gnn_l2o.problems.holders import Holders
from gnn_l2o.problems.local_work import LocalWork
from gnn_l2o.problems.regularizer import Regularizer


@dataclass(frozen=True, eq=False, kw_only=True)
class Problem(LocalWork):
    r"""Minimize :math:`F(x) = \frac1N \sum_i f_i(x) + r(x)`, f_i private to node i (He et al. 2024, Eq. (2)).

    One object holds the losses of all nodes. It may hold several problems side by side, as a :class:`.Network` may hold
    several graphs, with the same ``batch``; then every node's row belongs to one problem and the sums run over that
    problem's nodes.

    Attributes:
        regularizer: r; its parameters are numbers, or one row for each problem.
        batch: ``(N,)``, the problem of every node, ascending.
        source: the origin of real data, in words; empty for synthetic data. For problems side by side, that of the
            first.
        holders: where this object is a part of one problem (:meth:`part`), the processes that hold the others. Its rows
            are then those of this process's nodes, and averages run over all nodes.

    Shape:
        N nodes (of all problems together), B problems, d coordinates.
    """

    regularizer: Regularizer
    batch: Tensor
    source: str = ""
    holders: Holders | None = None

    @property
    @abstractmethod
    def dim(self) -> int:
        """d, the number of coordinates of x."""

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of the arrays that x consists of, one after another; here one vector."""
        return ((self.dim,),)

    @property
    def maximized(self) -> Tensor | None:
        """The coordinates over which the losses are maximized, ``(d,)``, boolean; ``None`` where all are minimized.

        Where there are any (:class:`.MinMax`), the gradients of the others stand beside the negative ones of these.
        """
        return None

    @abstractmethod
    def loss(self, x: Tensor) -> Tensor:
        """Return f_i(x_i) for every node: ``(N, d)`` to ``(N, 1)``."""

    @abstractmethod
    def local_gradient(self, x: Tensor) -> Tensor:
        """Return what :meth:`gradient` returns, without counting; subclasses define it."""

    @abstractmethod
    def smoothness(self) -> Tensor:
        """Return L_i, the Lipschitz constant of grad f_i (for a loss without one, a local estimate): ``(N, 1)``."""

    def initial_point(self) -> Tensor:
        """Return x^0, the initial point of runs by default, here zero (He et al. 2024, E.3): ``(N, d)``."""
        return torch.zeros(self.num_nodes, self.dim, device=self.batch.device)

    def lower_bound(self) -> Tensor | None:
        """Return a lower bound of F, ``(B,)``, where its minimum cannot be computed; ``None`` where it can be.

        Such a bound takes the place of F* in all measurements (:func:`~gnn_l2o.problems.solve`).
        """
        return None

    def accuracy(self, x: Tensor) -> Tensor | None:
        """Return the accuracy on the test samples, ``(B, d)`` to ``(B,)``; ``None`` where there are no test samples."""
        return None

    def mean_curvature(self) -> Tensor:
        r"""Return the mean eigenvalue of :math:`\nabla^2 f_i(x^0)`, or an estimate of it: ``(N, 1)``.

        Here the estimate of Hutchinson (1990) from one random vector of signs, by a finite difference of gradients.
        """
        generator = torch.Generator().manual_seed(0)
        signs = 2.0 * torch.randint(2, (1, self.dim), generator=generator) - 1
        x = self.initial_point().to(self.smoothness())
        move = 1e-3 * signs.to(x)
        change = self.local_gradient(x + move) - self.local_gradient(x)
        return (change * move).sum(dim=1, keepdim=True) / move.square().sum()

    def hessian(self, x: Tensor, problem: int, free: Tensor) -> Tensor:
        r"""Return rows and columns ``free`` of :math:`\nabla^2 \frac1N \sum_i f_i(x)` of one problem of the batch.

        Here by differentiating the loss twice, which costs about as much as 2 k gradients.

        Args:
            x: ``(d,)``.
            problem: its number, 0 to B - 1.
            free: ``(k,)``, the coordinates.

        Returns:
            ``(k, k)``.
        """

        def mean_loss(part: Tensor) -> Tensor:
            everywhere = x.index_put((free,), part).expand(self.num_nodes, -1)
            return self.loss(everywhere)[self.batch == problem].mean()

        return torch.func.jacrev(torch.func.grad(mean_loss), chunk_size=100)(x[free])

    @property
    def form(self) -> Hashable:
        """What problems that are put side by side have in common; where it differs, :meth:`concatenate` refuses."""
        return type(self), type(self.regularizer), self.dim

    @classmethod
    @abstractmethod
    def concatenate(cls, problems: Sequence[Self]) -> Self:
        """Return several problems of the same kind and dimension side by side.

        Raises:
            InputError: their kinds, dimensions or regularizers differ.
        """

    @abstractmethod
    def repeat(self, copies: int) -> Self:
        """Return ``copies`` copies of this problem side by side, copy after copy, that share their data in memory."""

    def part(self, holders: Holders) -> Self:
        """Return the part of one problem that this process holds: with the data of its nodes only.

        Args:
            holders: the processes among which the nodes are divided.

        Raises:
            InputError: problems of this kind cannot be divided.
        """
        raise InputError(f"a {type(self).__name__} cannot be divided among processes")

    @abstractmethod
    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Self:
        """Return a copy on ``device``, with its real numbers in ``dtype``."""

    @cached_property
    def calls(self) -> Calls:
        """The evaluations of this object since it was created."""
        return Calls()

    def gradient(self, x: Tensor) -> Tensor:
        """Return grad f_i(x_i) for every node: ``(N, d)`` to ``(N, d)``; differentiable in x. Counted in ``calls``."""
        self.calls.gradients += 1
        return self.local_gradient(x)

    def draw(self, number: int) -> Problem:
        """Return the problem that an algorithm uses in one iteration: itself, unless gradients are stochastic.

        Args:
            number: 0 for the initialization, k for iteration k; equal numbers draw the same.
        """
        return self

    def local_draw(self, step: int) -> Problem:
        """Return the problem of one of an iteration's local steps: itself, unless gradients are stochastic.

        Args:
            step: 0 for the first one, whose samples are those of :meth:`draw`; equal numbers draw the same.
        """
        return self

    @property
    def num_nodes(self) -> int:
        """N, the nodes of all problems together."""
        return self.batch.numel()

    @cached_property
    def num_problems(self) -> int:
        """B, the number of problems side by side."""
        return int(self.batch[-1]) + 1

    def average(self, x: Tensor) -> Tensor:
        """Average over the nodes of each problem: ``(N, k)`` to ``(B, k)``. For measuring; no node can compute it."""
        if self.holders is not None:
            return self.holders.sum(x.sum(dim=0, keepdim=True)) / self.holders.num_nodes
        if self.num_problems == 1:
            return x.mean(dim=0, keepdim=True)
        total = x.new_zeros(self.num_problems, x.size(1)).index_add(0, self.batch, x)
        return total / self._sizes

    def maximum(self, x: Tensor) -> Tensor:
        """Return the largest number of the nodes of each problem: ``(N, 1)`` to ``(B, 1)``. For measuring, as above."""
        largest = x.new_full((self.num_problems, 1), -torch.inf)
        largest = largest.scatter_reduce(0, self.batch.unsqueeze(1), x, "amax")
        return largest if self.holders is None else self.holders.max(largest)

    def gather(self, x: Tensor) -> Tensor:
        """Return the rows of all nodes, whichever process holds them: ``(N, k)``. For measuring, as above."""
        return x if self.holders is None else self.holders.gather(x)

    def spread(self, value: Tensor) -> Tensor:
        """Give every node the row of its problem: ``(B, k)`` to ``(N, k)``."""
        return value.index_select(0, self.batch)

    def objective(self, x: Tensor) -> Tensor:
        r"""Return :math:`F(x) = \frac1N \sum_i f_i(x) + r(x)` of every problem: ``(B, d)`` to ``(B,)``."""
        return self.average(self.loss(self.spread(x))).squeeze(1) + self.regularizer.value(x)

    def objective_at_nodes(self, x: Tensor) -> Tensor:
        r"""Return :math:`F(x_i) = \frac1N \sum_j f_j(x_i) + r(x_i)` of every node's point: ``(N, d)`` to ``(N,)``.

        The mean is over the nodes of the problem that node i belongs to. For measuring; no node can compute it. Here by
        one evaluation of all losses for each node of the largest problem.
        """
        if self.holders is not None:
            total = self.holders.sum(self.total_loss(self.holders.gather(x)))
            return total[self.holders.nodes] / self.holders.num_nodes + self.node_regularizer.value(x)
        sizes = self._sizes.squeeze(1)
        first = sizes.cumsum(0) - sizes
        values = self.node_regularizer.value(x)
        for k in range(int(sizes.max())):
            there = sizes > k  # the problems that have a k-th node
            rows = first + torch.where(there, k, 0)
            mean = self.average(self.loss(self.spread(x[rows]))).squeeze(1)
            values = values.index_add(0, rows[there], mean[there])
        return values

    def total_loss(self, points: Tensor) -> Tensor:
        r"""Return :math:`\sum_i f_i(x)` over the nodes of this object at each point: ``(k, d)`` to ``(k,)``."""
        return torch.stack([self.loss(point.expand(self.num_nodes, -1)).sum() for point in points])

    def prox(self, v: Tensor, step: Tensor | float) -> Tensor:
        r"""Return :math:`\operatorname{prox}_{r, \mathrm{Diag}(p)}(v)` at every node: ``(N, d)``.

        Args:
            v: ``(N, d)``.
            step: p > 0, a number, ``(N, 1)`` or ``(N, d)``.

        Counted in ``calls``.
        """
        self.calls.proxes += 1
        return self.node_regularizer.prox(v, step)

    @cached_property
    def node_regularizer(self) -> Regularizer:
        return self.regularizer.at(self.batch)

    @cached_property
    def _sizes(self) -> Tensor:
        """Return how many nodes each problem has, ``(B, 1)``."""
        return torch.bincount(self.batch).unsqueeze(1)

    def optimality(self, x: Tensor) -> Tensor:
        r"""Return :math:`\mathrm{dist}(0, \frac1N \sum_i \nabla f_i(x) + \partial r(x))`: ``(B, d)`` to ``(B,)``."""
        gradient = self.average(self.gradient(self.spread(x)))
        return self.regularizer.min_norm_subgradient(x, gradient).norm(dim=1)
