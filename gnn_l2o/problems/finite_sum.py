"""Problems whose nodes hold samples: storing, joining and subsampling the samples of all nodes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.problems.holders import Holders
from gnn_l2o.problems.problem import Problem
from gnn_l2o.problems.regularizer import Regularizer


@dataclass(frozen=True, eq=False, kw_only=True)
class FiniteSum(Problem):
    r"""Losses :math:`f_i(x) = \frac{1}{m_i} \sum_{j=1}^{m_i} \ell_{ij}(x)` over the samples of node i.

    Nodes may hold different numbers of samples; the rows of a node beyond its last sample are padding of weight 0.

    Attributes:
        features: ``(M, m, ...)``, entry (i, j) holds the features of sample j of node i.
        targets: ``(M, m, ...)``, entry (i, j) holds what is to be predicted for sample j of node i.
        count: ``(M, 1)``, :math:`m_i \ge 1`, the number of samples of node i.
        copies: the number of copies of the M nodes side by side, copy after copy, that share the data: N = copies * M.
        weight: ``(M, m)``, 1 / m_i for the samples of node i and 0 for its padding.

    Shape:
        N nodes (of all problems together), M nodes whose data is stored, m the largest number of samples of a node,
        B problems, d coordinates.

    Raises:
        InputError: inconsistent shapes.
    """

    features: Tensor
    targets: Tensor
    count: Tensor
    copies: int = 1
    weight: Tensor = field(init=False)

    def __post_init__(self) -> None:
        nodes, samples = self.features.shape[:2]
        check_shape("targets", self.targets, (nodes, samples, *self.targets.shape[2:]))
        check_shape("count", self.count, (nodes, 1))
        check_shape("batch", self.batch, (self.copies * nodes,))
        if self.count.min() < 1 or self.count.max() > samples:
            raise InputError(f"every node must hold 1 to {samples} samples, got count={self.count.flatten().tolist()}")
        # Computed here: a value cached while torch.func transforms a loss cannot be used afterwards.
        is_sample = torch.arange(samples, device=self.count.device) < self.count
        object.__setattr__(self, "weight", is_sample.to(self._real) / self.count)

    @property
    def sizes(self) -> tuple[int, int]:
        """Return M and m."""
        return self.features.size(0), self.features.size(1)

    @property
    def _real(self) -> torch.dtype:
        """The data type of real numbers."""
        return self.features.dtype

    @classmethod
    def concatenate(cls, problems: Sequence[Self]) -> Self:
        kinds = sorted({type(p).__name__ for p in problems} | {cls.__name__})
        if len(kinds) > 1:
            raise InputError(f"problems of the kinds {' and '.join(kinds)} cannot be joined in one batch")
        dims = sorted({p.dim for p in problems})
        if len(dims) > 1:
            raise InputError(f"problems with {' and '.join(map(str, dims))} coordinates cannot be joined in one batch")
        return dataclasses.replace(problems[0], **cls._joined(problems))

    @classmethod
    def _joined(cls, problems: Sequence[Self]) -> dict[str, Any]:
        """Return those attributes of the joined problem that differ from the first problem's."""
        samples = max(p.sizes[1] for p in problems)
        padded = [p if p.sizes[1] == samples else p.subsample(p.first_rows(samples)) for p in problems]
        numbers = [p.num_problems for p in problems]
        before = [sum(numbers[:k]) for k in range(len(numbers))]
        features = torch.cat([own_rows(p, p.features) for p in padded])
        return {
            "regularizer": Regularizer.concatenate([p.regularizer for p in problems], numbers).to(
                features.device, problems[0]._real
            ),
            "batch": torch.cat([p.batch + k for p, k in zip(problems, before, strict=True)]),
            "features": features,
            "targets": torch.cat([own_rows(p, p.targets) for p in padded]),
            "count": torch.cat([own_rows(p, p.count) for p in problems]),
            "copies": 1,
        }

    def repeat(self, copies: int) -> Self:
        shift = self.num_problems * torch.arange(copies, device=self.batch.device).reshape(-1, 1)
        return dataclasses.replace(
            self,
            regularizer=self.regularizer.repeat(copies),
            batch=(shift + self.batch).flatten(),
            copies=copies * self.copies,
        )

    def part(self, holders: Holders) -> Self:
        return dataclasses.replace(self, **self._of_nodes(holders.nodes), holders=holders)

    def _of_nodes(self, nodes: Tensor) -> dict[str, Any]:
        """Return the attributes that differ where only these nodes of one problem, ``(n,)``, are kept."""
        assert self.copies == 1 and self.num_problems == 1
        return {
            "batch": self.batch[nodes],
            "features": self.features[nodes],
            "targets": self.targets[nodes],
            "count": self.count[nodes],
        }

    def first_rows(self, samples: int) -> Tensor:
        """Return the first rows of every node, repeated where the node has fewer samples: ``(M, samples)``."""
        return torch.arange(samples, device=self.count.device) % self.count

    def subsample(self, rows: Tensor) -> Self:
        """Return the problem in which nodes hold only some of their samples, with means over those.

        Args:
            rows: ``(M, k)``, the numbers of the samples of every node. For a node with fewer than k samples, the first
                m_i entries are its samples and the rest is padding.
        """
        nodes, samples = self.sizes
        # Selecting whole rows of the flattened data is several times faster than indexing with a pair of indices.
        flat = (samples * torch.arange(nodes, device=rows.device).unsqueeze(1) + rows).flatten()
        return dataclasses.replace(
            self,
            features=self.features.flatten(0, 1).index_select(0, flat).view(*rows.shape, *self.features.shape[2:]),
            targets=self.targets.flatten(0, 1).index_select(0, flat).view(*rows.shape, *self.targets.shape[2:]),
            count=self.count.clamp(max=rows.size(1)),
        )

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Self:
        return dataclasses.replace(self, **self._moved(device, dtype))

    def _moved(self, device: torch.device | str | None, dtype: torch.dtype | None) -> dict[str, Any]:
        """Return the attributes that hold tensors, on a device and in a precision."""
        return {
            "regularizer": self.regularizer.to(device, dtype),
            "batch": self.batch.to(device),
            "features": cast(self.features, device, dtype),
            "targets": cast(self.targets, device, dtype),
            "count": self.count.to(device),
        }


def own_rows(problem: FiniteSum, data: Tensor) -> Tensor:
    """Repeat the rows of the M stored nodes for every copy: ``(M, ...)`` to ``(N, ...)``."""
    return data.repeat(problem.copies, *[1] * (data.dim() - 1))


def stacked(arrays: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Stack the samples of the nodes.

    Args:
        arrays: of every node ``(m_i, ...)``.

    Returns:
        ``(N, m, ...)``, where nodes with fewer than m samples are padded with repetitions of their samples (so that
        layers that see all rows at once, such as batch normalization, meet no artificial values), and the counts m_i,
        ``(N, 1)``.
    """
    rows = torch.arange(max(len(a) for a in arrays))
    return torch.stack([a[rows % len(a)] for a in arrays]), torch.tensor([[len(a)] for a in arrays])


def cast(data: Tensor, device: torch.device | str | None, dtype: torch.dtype | None) -> Tensor:
    """Move data to a device, and real numbers to a precision; integers, such as classes, keep their type."""
    return data.to(device, dtype if data.is_floating_point() else None)


def shape_of(data: Tensor) -> str:
    """Return a shape as text, ``"(2, 3)"``."""
    return f"({', '.join(map(str, data.shape))})"


def check_shape(name: str, data: Tensor, expected: tuple[int, ...]) -> None:
    """Raise an :class:`InputError` unless data has the expected shape."""
    if tuple(data.shape) != expected:
        raise InputError(f"{name} must be ({', '.join(map(str, expected))}), got {shape_of(data)}")


def check_finite(name: str, data: Tensor) -> None:
    """Raise an :class:`InputError` if data of the nodes, ``(M, ...)``, holds infinite entries or NaN."""
    if data.sum().isfinite():  # quick, without a mask as large as the data
        return
    bad = (~data.isfinite()).nonzero()
    if bad.numel():
        raise InputError(f"{name} of node {int(bad[0, 0])} hold {data[tuple(bad[0])]}; expected finite numbers")
