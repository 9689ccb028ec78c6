"""What the architectures of unrolled networks have in common."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, Self

from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.network import Network
from gnn_l2o.learned.architecture import Architecture
from gnn_l2o.learned.unrolled.layers import Layers
from gnn_l2o.learned.unrolled.network import Unrolled
from gnn_l2o.learned.unrolled.sums import How
from gnn_l2o.problems import Problem, SparseRecovery
from gnn_l2o.problems.dictionary import Dictionary

CLASSICAL = "classical"
"""The initialization of all unrolled networks: the classical algorithm that the network unrolls, for its dictionary."""


@dataclass(frozen=True)
class UnrolledArchitecture(Architecture[Layers[Any]]):
    """What the unrolled networks have in common.

    Attributes:
        depth: how many layers.
        sums: how the nodes average in a layer: sum (exact), gossip, or exact_diffusion.
        rounds: of gossip, a layer.
    """

    inits = (CLASSICAL,)

    depth: int = 16
    sums: How = "gossip"
    rounds: int = 16

    @abstractmethod
    def algorithm(self, weights: Layers[Any], name: str | None = None) -> Unrolled:
        """Return the network that these weights make."""

    @abstractmethod
    def emit_classical(self, weights: Layers[Any], dictionary: Dictionary) -> None:
        """Set weights to the classical algorithm for this dictionary, from which training begins."""


@dataclass(frozen=True)
class BoundArchitecture(UnrolledArchitecture):
    """An unrolled network with matrices of the size of A, which belong to that one dictionary.

    Attributes:
        dictionary_rows: how many rows the dictionary has, m; ``None`` until it is known.
        dictionary_columns: how many columns it has, n; ``None`` until it is known.
        dictionary: a fingerprint of the dictionary; ``None`` until it is known.
    """

    scope = "It runs on the dictionary it was trained for and on no other, its rows split over the nodes of any graph."

    dictionary_rows: int | None = None
    dictionary_columns: int | None = None
    dictionary: str | None = None

    def bind(self, problem: Problem, network: Network) -> Self:
        if self.dictionary is not None or not isinstance(problem, SparseRecovery):
            return self
        return dataclasses.replace(
            self, dictionary_rows=problem.total, dictionary_columns=problem.dim, dictionary=problem.dictionaries[0]
        )

    @property
    def size(self) -> tuple[int, int]:
        """m and n.

        Raises:
            InputError: they are not known.
        """
        if self.dictionary_rows is None or self.dictionary_columns is None:
            raise InputError(f"a {self.name} needs the size of its dictionary; Architecture.bind takes it")
        return self.dictionary_rows, self.dictionary_columns
