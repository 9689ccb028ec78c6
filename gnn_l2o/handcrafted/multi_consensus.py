"""What the accelerated methods that mix several times in a row share."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from gnn_l2o.algorithms.base import Cost, State
from gnn_l2o.algorithms.tunable import Tunable
from gnn_l2o.graph.fast_mix import fast_mix
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted.whole_number import check_whole


class MultiConsensus(Tunable[State]):
    """A method that tracks the mean gradient and mixes by FastMix, K rounds each time.

    Costs one gradient and one prox an iteration, and one gradient at the start.

    Attributes:
        uses: how often an iteration mixes so.
        mixings: K, a whole number.
    """

    uses: ClassVar[int]
    setup_cost = Cost(gradients=1)
    setup_knowledge = frozenset({"spectral_gap", "min_eigenvalue"})  # of FastMix

    mixings: float

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(self, "mixings", "mixings")

    @property
    def cost(self) -> Cost:
        rounds = self.uses * int(self.mixings)
        return Cost(rounds=rounds, vectors=rounds, gradients=1, proxes=1)

    def agree(self, network: Network, v: Tensor) -> Tensor:
        """Bring the nodes' vectors closer to their mean: FastMix, ``(N, d)``."""
        return fast_mix(network, v, int(self.mixings))
