"""Problems whose gradients algorithms evaluate on random mini-batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.problems.calls import Calls
from gnn_l2o.problems.finite_sum import FiniteSum
from gnn_l2o.problems.holders import Holders
from gnn_l2o.problems.problem import Problem
from gnn_l2o.problems.regularizer import Regularizer


class Stream(NamedTuple):
    """Random numbers for the samples of some nodes.

    Attributes:
        seed: of the generators, together with the number of a draw.
        nodes: how many nodes.
        samples: the largest number of samples of a node.
    """

    seed: int
    nodes: int
    samples: int


@dataclass(frozen=True, eq=False)
class Stochastic(Problem):
    r"""A problem of which algorithms use, in every iteration, a mini-batch only.

    .. math::
        f_i^S(x) = \frac1{|S_i|} \sum_{j \in S_i} \ell_{ij}(x)

    with :math:`S_i` a new subset of node i's samples in every draw. All subsets of one size are equally likely, so that
    the expectations of loss and gradient are those of f_i. Loss and gradient of a draw are of the same samples. An
    object that :meth:`draw` did not return has loss and gradient of the full problem; smoothness and all else, but
    for the bound of the Hessians that local solves use, are always those of the full problem.

    A draw depends on the seed and its number only, so a run can be repeated or resumed at any iteration. Copies of a
    problem draw the same samples, and a problem draws the same samples alone and in a batch. The local steps of an
    iteration have draws of their own (:meth:`local_draw`), by the number of the step too.

    Attributes:
        full: the problem with all samples, a :class:`~gnn_l2o.problems.finite_sum.FiniteSum`.
        batch_size: how many samples a node draws; nodes with fewer use all of theirs.
        seed: of the draws, at least 0; of problems side by side, the streams of their nodes, in order.
        drawn: the problem with the samples of this draw; ``None`` for the full problem.
        number: of this draw; ``None`` for the full problem.
        rows: of a part of a problem, the numbers of its nodes among those of the streams; ``None`` for all.
        calls: the evaluations of this object and of all draws from it.

    Raises:
        InputError: the problem has no samples to draw, or ``batch_size`` or ``seed`` is too small.
    """

    full: Problem
    batch_size: int = field(kw_only=True)
    seed: int | tuple[Stream, ...] = field(kw_only=True)
    drawn: FiniteSum | None = field(default=None, kw_only=True)
    number: int | None = field(default=None, kw_only=True, compare=False)
    rows: Tensor | None = field(default=None, kw_only=True)
    calls: Calls = field(default_factory=Calls, kw_only=True, compare=False)
    regularizer: Regularizer = field(init=False)
    batch: Tensor = field(init=False)
    source: str = field(init=False)
    holders: Holders | None = field(init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.full, FiniteSum):
            raise InputError(f"mini-batches need a problem whose nodes hold samples, got {type(self.full).__name__}")
        if self.batch_size < 1:
            raise InputError(f"a mini-batch needs at least 1 sample, got {self.batch_size}")
        if isinstance(self.seed, int) and self.seed < 0:
            raise InputError(f"the seed of the draws must be at least 0, got {self.seed}")
        object.__setattr__(self, "regularizer", self.full.regularizer)
        object.__setattr__(self, "batch", self.full.batch)
        object.__setattr__(self, "source", self.full.source)
        object.__setattr__(self, "holders", self.full.holders)

    def draw(self, number: int) -> Self:
        return dataclasses.replace(self, drawn=self._sum.subsample(self._rows(number)), number=number)

    def local_draw(self, step: int) -> Self:
        if step == 0 or self.number is None:  # a problem that draw did not return has full gradients
            return self
        return dataclasses.replace(self, drawn=self._sum.subsample(self._rows(self.number, step)))

    @property
    def _sum(self) -> FiniteSum:
        assert isinstance(self.full, FiniteSum)  # checked in __post_init__
        return self.full

    @cached_property
    def _streams(self) -> tuple[Stream, ...]:
        return (Stream(self.seed, *self._sum.sizes),) if isinstance(self.seed, int) else self.seed

    def _rows(self, *numbers: int) -> Tensor:
        """Return the samples of every node in this draw, ``(M, batch_size)``, or all if that is fewer."""
        counts, samples = self._sum.count, self._sum.sizes[1]
        shape = sum(s.nodes for s in self._streams), max(s.samples for s in self._streams)
        keys = np.empty(shape)  # the samples with the smallest keys are drawn
        first = 0
        for seed, size, width in self._streams:
            keys[first : first + size, :width] = np.random.default_rng([seed, *numbers]).random((size, width))
            first += size
        if self.rows is not None:
            keys = keys[self.rows.numpy(), :samples]
        padding = torch.arange(samples, device=counts.device) >= counts
        order = torch.from_numpy(keys).to(counts.device).masked_fill(padding, torch.inf)
        return order.topk(min(self.batch_size, samples), dim=1, largest=False).indices

    @property
    def dim(self) -> int:
        return self.full.dim

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return self.full.shapes

    def loss(self, x: Tensor) -> Tensor:
        return (self.drawn or self.full).loss(x)

    def objective_at_nodes(self, x: Tensor) -> Tensor:
        return (self.drawn or self.full).objective_at_nodes(x)

    def local_gradient(self, x: Tensor) -> Tensor:
        return (self.drawn or self.full).local_gradient(x)

    def initial_point(self) -> Tensor:
        return self.full.initial_point()

    def lower_bound(self) -> Tensor | None:
        return self.full.lower_bound()

    def accuracy(self, x: Tensor) -> Tensor | None:
        return self.full.accuracy(x)

    def smoothness(self) -> Tensor:
        return self.full.smoothness()

    def mean_curvature(self) -> Tensor:
        return self.full.mean_curvature()

    def diagonal_bound(self) -> Tensor:
        # A few samples may be more curved than all together; local solves of a draw need a bound of the draw.
        return (self.drawn or self.full).diagonal_bound()

    def hessian(self, x: Tensor, problem: int, free: Tensor) -> Tensor:
        return self.full.hessian(x, problem, free)

    @classmethod
    def concatenate(cls, problems: Sequence[Self]) -> Self:
        sizes = sorted({p.batch_size for p in problems})
        if len(sizes) > 1:
            raise InputError(
                f"problems with mini-batches of {' and '.join(map(str, sizes))} cannot be joined in one batch"
            )
        return cls(
            type(problems[0]._sum).concatenate([p._sum for p in problems]),
            batch_size=sizes[0],
            seed=tuple(stream for p in problems for stream in p._streams * p._sum.copies),
        )

    def part(self, holders: Holders) -> Self:
        # The streams stay those of all nodes, so that a node draws the same samples wherever it is held.
        own = self._over(self.full.part(holders))
        return dataclasses.replace(own, seed=self._streams, rows=holders.nodes)

    def repeat(self, copies: int) -> Self:
        return self._over(self.full.repeat(copies))

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Self:
        return self._over(self.full.to(device, dtype))

    def _over(self, full: Problem) -> Self:
        """Return the same draws of another full problem, with new counts."""
        return dataclasses.replace(self, full=full, drawn=None, number=None, calls=Calls())
