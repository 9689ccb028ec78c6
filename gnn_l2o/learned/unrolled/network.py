"""What all unrolled networks for sparse recovery share: layers with one exchange in each."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import Cost
from gnn_l2o.graph.network import Network
from gnn_l2o.learned.architecture import LearnedOptimizer, require
from gnn_l2o.learned.unrolled.layers import Layers
from gnn_l2o.learned.unrolled.sums import Correction, How, SumOverNodes
from gnn_l2o.problems import Problem, SparseRecovery
from gnn_l2o.problems.nmse import set_nmse
from gnn_l2o.problems.sparse_recovery import Measurements


@dataclass(frozen=True, eq=False)
class UnrolledState:
    """State of an :class:`Unrolled` network."""

    x: Tensor  # (N, n), the estimates
    memory: tuple[Tensor, ...]  # (N, .) each, what a network keeps besides from layer to layer
    correction: Correction | None  # of exact diffusion
    layer: int  # the next one


@dataclass(frozen=True)
class Unrolled(LearnedOptimizer[UnrolledState, Layers[Any]]):
    r"""A network whose layers estimate a sparse x* from measurements b = A x* + noise, the rows of A split over nodes.

    A layer is :meth:`propose`, which a node computes of its own rows; one average over the nodes
    (:class:`.SumOverNodes`), where ``sums`` says how; and :meth:`accept`, again at every node. With exact averages
    every node has the iterates of the centralized network; on a single node it is that network bit for bit.

    It estimates x*, and does not minimize F: the regularizer plays no part, and there is no fixed point to converge to.
    Its accuracy is the NMSE (:mod:`gnn_l2o.problems.nmse`). It has as many iterations as layers. The dictionary is
    known at design time, and with it the number of its rows and of the nodes.

    Attributes:
        sums: how a layer averages over the nodes.
        rounds: of gossip, a layer.
    """

    run_settings = ("rounds",)
    run_choices: ClassVar[Mapping[str, tuple[str, ...]]] = {"sums": ("sum", "gossip", "exact_diffusion")}
    numbers: ClassVar[int] = 0  # that travel with the vector of a layer
    gradients: ClassVar[int] = 1  # products with A_i and its transpose in a layer, of the cost of a gradient
    validation_label: ClassVar[str] = "NMSE over the held-out signals, dB"
    needs_dictionary: ClassVar[bool] = False  # whether something is computed from all of A before a run
    sums_a_layer: ClassVar[int] = 1  # 0 where one average, before the first layer, is enough

    sums: How = field(default="gossip", kw_only=True)
    rounds: int = field(default=16, kw_only=True)

    def __post_init__(self) -> None:
        if not self.sums_a_layer and self.sums == "exact_diffusion":
            raise InputError(f"{self.name} averages once only, and exact diffusion over layers; expected sums 'gossip'")

    @property
    def depth(self) -> int:
        return len(self.weights)

    @property
    def averages(self) -> SumOverNodes:
        """How the nodes average."""
        return SumOverNodes(self.sums, self.rounds)

    @property
    def setup_knowledge(self) -> frozenset[str]:  # type: ignore[override]  # elsewhere the same for a whole class
        return self.averages.setup_knowledge

    @property
    def cost(self) -> Cost:
        return Cost(gradients=self.gradients) + self.averages.cost(self.numbers) * self.sums_a_layer

    @property
    def setup_cost(self) -> Cost:  # type: ignore[override]  # elsewhere the same for a whole class
        return (Cost(gradients=1) + self.averages.cost(0)) * (1 - self.sums_a_layer)

    def refusal(self, problem: Problem, network: Network) -> str | None:
        reason = super().refusal(problem, network)
        if reason is None and not isinstance(problem, SparseRecovery):
            return f"{self.name} recovers sparse signals (dataset sparse_recovery); this is a {type(problem).__name__}"
        if reason is None and self.needs_dictionary and problem.holders is not None:
            return f"{self.name} is made for the whole dictionary; this process has a part of it"
        return reason

    def init(self, problem: Problem, network: Network, x0: Tensor) -> UnrolledState:
        require(self, problem, network)
        assert isinstance(problem, SparseRecovery)
        problem.calls.gradients += 1 - self.sums_a_layer
        return self.first_state(problem.measurements, network, x0)

    def step(self, problem: Problem, network: Network, state: UnrolledState) -> UnrolledState:
        if state.layer >= self.depth:
            raise InputError(f"{self.name} has {self.depth} layers; expected at most as many iterations")
        assert isinstance(problem, SparseRecovery)
        problem.calls.gradients += self.gradients
        return self.next_state(problem.measurements, network, state)

    def first_state(self, given: Measurements, network: Network, x0: Tensor) -> UnrolledState:
        """Return the state before the first layer, ``x0`` being ``(N, n)``."""
        begun = torch.cat([x0, x0.new_zeros(len(x0), self.numbers)], dim=1)
        return UnrolledState(x0, self.first_memory(given, network, x0), self.averages.init(begun), 0)

    def next_state(self, given: Measurements, network: Network, state: UnrolledState) -> UnrolledState:
        """Return the state after a layer."""
        layer = self.weights[state.layer]
        psi, memory = self.propose(layer, given, state)
        correction = state.correction
        if self.sums_a_layer:
            psi, correction = self.averages(network, psi, correction, self.numbers)
        x, memory = self.accept(layer, given, psi, memory, state)
        return UnrolledState(x, memory, correction, state.layer + 1)

    def loss(self, given: Measurements, x: Tensor, target: Tensor) -> Tensor:
        r"""Return what training minimizes of the estimates of every node, here :math:`\tfrac12 \|x_i - x^\star\|^2`.

        Args:
            given: the measurements.
            x: ``(N, n)``.
            target: x* at every node, ``(N, n)``.

        Returns:
            ``(N,)``.
        """
        return 0.5 * (x - target).square().sum(dim=1)

    def validation(self, given: Measurements, x: Tensor, target: Tensor) -> Tensor:
        """Return the number that the best weights are chosen by, here the NMSE over the set in dB; as :meth:`loss`."""
        return set_nmse(x, target)

    def first_memory(self, given: Measurements, network: Network, x0: Tensor) -> tuple[Tensor, ...]:
        """Return the memory before the first layer."""
        return ()

    @abstractmethod
    def propose(self, layer: Any, given: Measurements, state: UnrolledState) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return what the nodes average, ``(N, n + numbers)``, and the memory; no communication."""

    @abstractmethod
    def accept(
        self, layer: Any, given: Measurements, average: Tensor, memory: tuple[Tensor, ...], state: UnrolledState
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the next estimate of every node, ``(N, n)``, and the memory; no communication.

        Args:
            layer: its weights.
            given: the measurements.
            average: ``(N, n + numbers)``, at every node.
            memory: as :meth:`propose` returned it.
            state: before the layer.
        """


@dataclass(frozen=True)
class Bound(Unrolled):
    """An unrolled network with matrices that belong to one dictionary.

    Attributes:
        dictionary: a fingerprint of it.
    """

    dictionary: str | None = field(default=None, kw_only=True)

    def refusal(self, problem: Problem, network: Network) -> str | None:
        reason = super().refusal(problem, network)
        if reason is None and isinstance(problem, SparseRecovery):
            for found in problem.dictionaries:
                if found != self.dictionary:
                    return (
                        f"the weights of {self.name} belong to the dictionary {self.dictionary}, this one is {found}; "
                        "expected features, measurements, condition_number and dictionary as in its recipe"
                    )
        return reason
