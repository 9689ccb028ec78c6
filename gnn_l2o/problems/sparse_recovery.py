"""Sparse recovery: least squares whose sparse truth is known, over the rows of a dictionary."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.fingerprint import fingerprint
from gnn_l2o.problems.dictionary import Dictionary
from gnn_l2o.problems.finite_sum import cast, check_shape, own_rows
from gnn_l2o.problems.least_squares import LeastSquares
from gnn_l2o.problems.regularizer import Regularizer
from gnn_l2o.problems.sparse_signal import SparseSignal


class Measurements(NamedTuple):
    """What the nodes measure: their rows of A, and of b, ``(C M, k)`` with one row for each node."""

    dictionary: Dictionary
    b: Tensor


@dataclass(frozen=True, eq=False, kw_only=True)
class SparseRecovery(LeastSquares):
    r"""Losses :math:`f_i(x) = \frac N2 \|A_i x - b_i\|^2` over the rows of node i, with a known sparse truth.

    So :math:`\frac1N \sum_i f_i(x) = \frac12 \|A x - b\|^2` with :math:`A = [A_1; \dots; A_N]` and b = A x* + noise,
    however the rows are split. Unlike :class:`.LeastSquares`, there is no :math:`1 / m_i`. The problem is to estimate
    x*; the minimizer of F, the solution of a LASSO, is one estimate of it.

    Attributes:
        target: ``(B, n)``, x* of every problem.
        rows: ``(M, k)``, which row of A each row of a node is.
        peers: ``(M, 1)``, the number N of nodes of the problem.
        total: m, the number of rows of A.
        signal: the distribution of x* and of the noise.
        dictionaries: a fingerprint of the A of every problem, by which learned weights find theirs.

    Raises:
        InputError: inconsistent shapes.
    """

    target: Tensor
    rows: Tensor
    peers: Tensor
    total: int
    signal: SparseSignal
    dictionaries: tuple[str, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        check_shape("rows", self.rows, self.sizes)
        check_shape("target", self.target, (len(self.dictionaries), self.dim))
        # In place of the means of least squares: every row has the weight N.
        object.__setattr__(self, "weight", self._present * self.peers.to(self._real))

    @classmethod
    def of(
        cls, matrix: np.ndarray, b: np.ndarray, target: np.ndarray, nodes: int, regularizer: Regularizer, **more: Any
    ) -> Self:
        """Return one problem whose nodes hold the rows of A in order, as evenly as possible.

        Args:
            matrix: A, ``(m, n)``.
            b: ``(m,)``.
            target: x*, ``(n,)``.
            nodes: N.
            regularizer: r.
            more: ``signal``, see above.

        Raises:
            InputError: there are fewer rows than nodes.
        """
        if len(matrix) < nodes:
            raise InputError(f"{nodes} nodes need at least as many measurements, got {len(matrix)}")
        parts = np.array_split(np.arange(len(matrix)), nodes)
        plain = LeastSquares.from_nodes([matrix[p] for p in parts], [b[p] for p in parts], regularizer)
        width = plain.features.size(1)
        return cls(
            regularizer=regularizer,
            batch=plain.batch,
            features=plain.features,
            targets=plain.targets,
            count=plain.count,
            target=torch.as_tensor(target).reshape(1, -1),
            rows=torch.stack([torch.as_tensor(np.resize(p, width)) for p in parts]),
            peers=torch.full((nodes, 1), nodes),
            total=len(matrix),
            dictionaries=(fingerprint(torch.as_tensor(matrix), rounded=True)[:16],),
            **more,
        )

    @property
    def _present(self) -> Tensor:
        """Whether a row is no padding, ``(M, k)``."""
        return torch.arange(self.sizes[1], device=self.count.device) < self.count

    @cached_property
    def dictionary(self) -> Dictionary:
        """The rows of A at the stored nodes."""
        return Dictionary(
            rows=self.features * self._present.unsqueeze(2),
            number=self.rows,
            present=self._present,
            peers=self.peers,
            total=self.total,
            batch=self.batch[: self.sizes[0]],
        )

    @cached_property
    def measurements(self) -> Measurements:
        """What the nodes measure."""
        return Measurements(self.dictionary, own_rows(self, self.targets * self._present))

    def samples_of(self, count: int, generator: np.random.Generator) -> tuple[Measurements, Tensor]:
        """Draw other signals and measure them with the same dictionary.

        Args:
            count: S, how many.
            generator: the source of randomness.

        Returns:
            The measurements at the nodes of S copies of this problem, and the signals, ``(S, n)``.
        """
        dictionary = self.dictionary
        whole = dictionary.whole()
        target, b = self.signal.draw(whole.double().cpu().numpy(), count, generator)
        at_nodes = torch.as_tensor(b).to(whole)[:, dictionary.number] * dictionary.present  # (S, M, k)
        return Measurements(dictionary, at_nodes.flatten(0, 1)), torch.as_tensor(target).to(whole)

    def subsample(self, rows: Tensor) -> Self:
        if rows.size(1) < int(self.count.max()):
            raise InputError("the rows of a dictionary belong together; expected gradients of all of them")
        return dataclasses.replace(
            self,
            features=self.features.gather(1, rows.unsqueeze(2).expand(-1, -1, self.dim)),
            targets=self.targets.gather(1, rows),
            rows=self.rows.gather(1, rows),
        )

    @classmethod
    def _joined(cls, problems: Sequence[Self]) -> dict[str, Any]:
        totals = sorted({p.total for p in problems})
        if len(totals) > 1:
            raise InputError(f"problems with {' and '.join(map(str, totals))} measurements cannot be joined in a batch")
        width = max(p.sizes[1] for p in problems)
        return {
            **super()._joined(problems),
            "target": torch.cat([p.target for p in problems]),
            "rows": torch.cat([own_rows(p, p.rows.gather(1, p.first_rows(width))) for p in problems]),
            "peers": torch.cat([own_rows(p, p.peers) for p in problems]),
            "dictionaries": tuple(name for p in problems for name in p.dictionaries),
        }

    def repeat(self, copies: int) -> Self:
        # The base class repeats what it knows of; the target has a row for each problem.
        repeated = super().repeat(copies)
        target, dictionaries = self.target.repeat(copies, 1), copies * self.dictionaries
        return dataclasses.replace(repeated, target=target, dictionaries=dictionaries)

    def _of_nodes(self, nodes: Tensor) -> dict[str, Any]:
        return {**super()._of_nodes(nodes), "rows": self.rows[nodes], "peers": self.peers[nodes]}

    def _moved(self, device: torch.device | str | None, dtype: torch.dtype | None) -> dict[str, Any]:
        moved = {
            "target": cast(self.target, device, dtype),
            "rows": self.rows.to(device),
            "peers": self.peers.to(device),
        }
        return {**super()._moved(device, dtype), **moved}
